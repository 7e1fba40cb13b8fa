//go:build e2e

package policy

import (
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

var (
	scenarios = flag.Int("scenarios", 16, "how many random scenarios are run, with a controller that is killed and with one that is not")
	firstSeed = flag.Uint64("seed", 0, "the first scenario's; -scenarios=1 -seed=N runs that of N again")
)

// Random scenarios on the real controllers: loads, rollouts, pods that fail, replicas that
// somebody writes, colours that change. Each is lived twice, side by side: with a
// loadline-policy of its own that is killed at random writes, and with one that is not.
// At no moment is there what judge forbids, all holds end, and both end in the same.
//
// What the strategies take by themselves, which judge allows, is measured beside them on
// workloads that no HPA scales.
func TestP15Scenarios(t *testing.T) {
	alone(t)
	m := startMetricAPI(t)
	startStage(t)
	config := system.Cluster.RESTConfig()
	config.QPS = -1
	watcher, err := client.NewWithWatch(config, client.Options{Scheme: kube.Scheme()})
	must(t, err)
	began := time.Now()
	var deaths, lives atomic.Int64
	t.Run("seed", func(t *testing.T) { // which returns when all have ended
		for _, s := range constants() {
			t.Run(fmt.Sprintf("no HPA, %s, %d", s.kind, s.unavailable), func(t *testing.T) {
				t.Parallel()
				constant(t, watcher, s)
			})
		}
		for i := range *scenarios {
			s := newScenario(*firstSeed + uint64(i))
			t.Run(fmt.Sprint(s.seed), func(t *testing.T) {
				t.Parallel()
				defer func() {
					if t.Failed() {
						t.Logf("replay it with -test.run TestP15Scenarios -scenarios=1 -seed=%d\n%s", s.seed, s)
					}
				}()
				n, d := lived(t, m, watcher, s)
				lives.Add(int64(n))
				deaths.Add(int64(d))
			})
		}
	})
	t.Logf("%d scenarios, %d runs, %d deaths in %s", *scenarios, lives.Load(), deaths.Load(), time.Since(began).Round(time.Second))
}

// lived runs a scenario with deaths and without, and compares. One that ends with a death
// for good has nothing to be compared to.
func lived(t *testing.T, m *metricAPI, watcher client.WithWatch, s scenario) (lives, deaths int) {
	both := []*run{{killed: true}, {killed: false}}
	if s.forGood {
		both = both[:1]
	}
	ends, errs := make([]*scenarioEnd, len(both)), make([]error, len(both))
	ctx, cancel := system.Waiting(t)
	defer cancel()
	var tasks sync.WaitGroup
	for i, r := range both {
		r.scenario, r.t, r.ns = s, t, namespace(t)
		r.source = m.of(r.ns)
		tasks.Go(func() { ends[i], errs[i] = r.life(ctx, watcher) })
	}
	tasks.Wait()
	for i, err := range errs {
		deaths += both[i].deaths
		if err != nil {
			t.Errorf("killed %t: %v", both[i].killed, err)
		} else if len(ends[i].Touched) > 0 {
			t.Errorf("killed %t: we changed what is not ours: %v", both[i].killed, ends[i].Touched)
		}
	}
	if !t.Failed() && len(both) == 2 {
		if diff := cmp.Diff(ends[1], ends[0], sameEnd); diff != "" {
			t.Errorf("what is left (-unbroken +killed):\n%s", diff)
		}
	}
	return len(both), deaths
}

// sameEnd leaves out what tells two runs of the same apart, such as names and times.
var sameEnd = cmp.Options{
	cmpopts.IgnoreTypes(metav1.Time{}, &metav1.Time{}),
	cmpopts.IgnoreFields(metav1.ObjectMeta{}, "UID", "ResourceVersion", "Generation", "ManagedFields", "Namespace"),
	cmpopts.IgnoreFields(metav1.OwnerReference{}, "UID"),
	cmpopts.IgnoreFields(v1alpha1.AppliedHPA{}, "UID", "Rewrites", "Rewritten"),
	cmpopts.IgnoreFields(v1alpha1.RolloutState{}, "TargetUID"),
	// How far a switch that was taken back had come is a matter of time.
	cmpopts.IgnoreFields(v1alpha1.BlueGreenState{}, "Switch"),
	// Values and their words are written at most once a minute.
	cmpopts.IgnoreFields(v1alpha1.AutoscalingPolicyStatus{}, "Replicas", "Metric", "Conditions"),
	cmpopts.IgnoreMapEntries(func(key, _ string) bool { return key == hpa.PolicyUIDAnnotation }),
	cmpopts.IgnoreTypes(autoscalingv2.HorizontalPodAutoscalerStatus{}),
	cmpopts.EquateEmpty(),
}
