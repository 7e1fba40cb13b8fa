//go:build e2e

package policy

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// seeds of TestP7Killed; `make soak` gives more.
var seeds = flag.Int("seeds", 3, "with how many seeds four policies' lives are broken off at random points")

// abreast is how many lives go on at once: they wait most of the time.
const abreast = 4

// step is one thing that is done to the world of TestP7Killed, and what comes of it.
type step struct {
	what string
	do   func(t *testing.T, ns string)
	done func(p *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) bool
}

// steps are a policy's life: a floor, edits, another target, the floor's end, an HPA
// that is deleted, a pause.
func steps() []step {
	change := func(f func(*v1alpha1.AutoscalingPolicySpec)) func(*testing.T, string) {
		return func(t *testing.T, ns string) {
			p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
			edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { f(&p.Spec) })
		}
	}
	min := func(n int32) func(*v1alpha1.AutoscalingPolicy, *autoscalingv2.HorizontalPodAutoscaler) bool {
		return func(p *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) bool {
			return *h.Spec.MinReplicas == n && p.Status.Release == nil && *p.Status.EffectiveMin == n
		}
	}
	frozen := func(is bool) func(*v1alpha1.AutoscalingPolicy, *autoscalingv2.HorizontalPodAutoscaler) bool {
		return func(_ *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) bool {
			return (*h.Spec.Behavior.ScaleDown.SelectPolicy == autoscalingv2.DisabledPolicySelect) == is
		}
	}
	return []step{
		{"a policy with a floor", func(t *testing.T, ns string) {
			create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
				// Its pods never run, so another target's size would be held for an hour.
				p.Spec.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Allow}
				p.Spec.Schedules = []v1alpha1.Schedule{{Name: "always", Start: "0 0 * * *", Duration: metav1.Duration{Duration: 24 * time.Hour}, Min: 4}}
			}))
		}, min(4)},
		{"another max", change(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 9 }),
			func(_ *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) bool {
				return h.Spec.MaxReplicas == 9
			}},
		{"another target", change(func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef.Name = "web2" }),
			func(_ *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) bool {
				return h.Spec.ScaleTargetRef.Name == "web2"
			}},
		{"the floor's end", change(func(s *v1alpha1.AutoscalingPolicySpec) { s.Schedules = nil }), min(2)},
		{"a pause", change(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused }), frozen(true)},
		{"its end", change(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Enforce }), frozen(false)},
	}
}

// end is what a run leaves: the HPA, and the status without times and values.
type end struct {
	HPA    autoscalingv2.HorizontalPodAutoscaler
	Status v1alpha1.AutoscalingPolicyStatus
}

// A controller that is killed again and again, before or after any of its writes, comes
// to the same end as one that is not; and at no time is the minimum below what holds
// it, or does it come down by more than a step.
func TestP7Killed(t *testing.T) {
	alone(t)
	startMetricAPI(t)
	unbroken := lives(t, 1, nil)[0]
	same := cmp.Options{
		cmpopts.IgnoreTypes(metav1.Time{}, &metav1.Time{}),
		cmpopts.IgnoreFields(metav1.ObjectMeta{}, "UID", "ResourceVersion", "Generation", "ManagedFields", "Namespace"),
		cmpopts.IgnoreFields(metav1.OwnerReference{}, "UID"),
		cmpopts.IgnoreFields(v1alpha1.AppliedHPA{}, "UID", "Rewrites", "Rewritten"),
		cmpopts.IgnoreFields(v1alpha1.AutoscalingPolicyStatus{}, "Replicas", "Metric"),
		cmpopts.IgnoreMapEntries(func(key, _ string) bool { return key == hpa.PolicyUIDAnnotation }),
		// Words are written with the values, at most once a minute.
		cmpopts.IgnoreFields(metav1.Condition{}, "Message"),
		cmpopts.EquateEmpty(),
	}
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			for i, broken := range lives(t, abreast, rand.New(rand.NewPCG(uint64(seed), 7))) {
				if diff := cmp.Diff(unbroken, broken, same); diff != "" {
					t.Errorf("life %d (-unbroken +killed):\n%s", i, diff)
				}
			}
		})
	}
}

// lives lives through the steps n times at once, with a controller that dies at random
// writes where random is given. Its deaths are all lives'.
func lives(t *testing.T, n int, random *rand.Rand) []end {
	deaths := dying(t, n, random)
	ends := make([]end, n)
	t.Run("lives", func(t *testing.T) { // which returns when all have ended
		for i := range n {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				ends[i] = life(t)
			})
		}
	})
	died := deaths()
	t.Logf("%d deaths", died)
	if killed := random != nil; killed != (died > 0) {
		t.Errorf("a controller that is to be killed: %t; it died %d times", killed, died)
	}
	if t.Failed() {
		t.FailNow() // there are no ends to compare
	}
	return ends
}

// dying runs a controller that dies at random writes where random is given, and another
// one each time. What it returns ends that, and returns how often it died.
func dying(t *testing.T, lives int, random *rand.Rand) (stop func() int) {
	t.Helper()
	end, ended, deaths := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(ended)
		for {
			m := &mortal{died: make(chan struct{}), at: 1 << 40}
			if random != nil {
				m.at, m.after = 1+random.Int64N(5*int64(lives)), random.IntN(2) == 0
			}
			stop := local(t, m.wrap, nil)
			select {
			case <-m.died:
				deaths++
				stop()
			case <-end:
				stop()
				return
			}
		}
	}()
	stop = sync.OnceValue(func() int { close(end); <-ended; return deaths })
	t.Cleanup(func() { stop() })
	return stop
}

// life lives through the steps, and returns what they end in.
func life(t *testing.T) end {
	ns := namespace(t)
	sized(t, ns, "web", 2)
	sized(t, ns, "web2", 2)
	heights := minima(t, ns)
	for _, s := range steps() {
		s.do(t, ns)
		system.Until(t, s.what, 2*time.Minute, func(ctx context.Context) (bool, string) {
			p, err := getPolicy(ctx, ns, "web")
			if err != nil {
				return false, err.Error()
			}
			h, err := getHPA(ctx, ns, "web")
			if err != nil {
				return false, err.Error()
			}
			if p.Status.ObservedGeneration != p.Generation || p.Status.EffectiveMin == nil {
				return false, fmt.Sprintf("generation %d of %d", p.Status.ObservedGeneration, p.Generation)
			}
			return s.done(p, h), fmt.Sprintf("min %d, %s", *h.Spec.MinReplicas, condition(p, v1alpha1.Held))
		})
	}
	for i, low := range heights() {
		if low.to < 2 || low.from-low.to > 1 {
			t.Errorf("the HPA's minimum went from %d to %d (change %d)", low.from, low.to, i)
		}
	}
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	h, err := getHPA(t.Context(), ns, "web")
	must(t, err)
	h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ScalingLimited); c != nil {
		c.Status, c.Reason = "", "" // whether it is just moving; a minute old, as values are
	}
	return end{*h, p.Status}
}

// fall is a change of an HPA's minimum.
type fall struct{ from, to int32 }

// minima watches the minimum of the HPAs of a namespace. What it returns ends that, and
// returns the changes.
func minima(t *testing.T, ns string) func() []fall {
	t.Helper()
	w, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Watch(t.Context(), metav1.ListOptions{})
	must(t, err)
	var all []fall
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := int32(0)
		for e := range w.ResultChan() {
			h, ok := e.Object.(*autoscalingv2.HorizontalPodAutoscaler)
			if !ok || e.Type == "DELETED" {
				last = 0
				continue
			}
			if n := ptr.Deref(h.Spec.MinReplicas, 1); n != last {
				all = append(all, fall{last, n})
				last = n
			}
		}
	}()
	return func() []fall { w.Stop(); <-done; return all }
}

// leaders are the pods of loadline-policy that say that they lead, and those that say
// that they do not.
func leaders(ctx context.Context) (leading, waiting []corev1.Pod, err error) {
	var pods corev1.PodList
	err = kube.List(ctx, &pods, client.InNamespace(lab.AdapterNamespace), client.MatchingLabels{"app.kubernetes.io/name": lab.PolicyDeployment})
	if err != nil {
		return nil, nil, err
	}
	for _, p := range pods.Items {
		text, err := metrics(ctx, p)
		if err != nil {
			continue // it is not there yet, or any more
		}
		switch {
		case strings.Contains(text, "\nloadline_policy_leader 1\n"):
			leading = append(leading, p)
		case strings.Contains(text, "\nloadline_policy_leader 0\n"):
			waiting = append(waiting, p)
		}
	}
	return leading, waiting, nil
}

// metrics are what a pod of loadline-policy says of itself.
func metrics(ctx context.Context, p corev1.Pod) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Status.PodIP+":8080/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	return string(data), err
}

// The replica without the Lease takes over: within seconds from one that is asked to
// end, and when the Lease has run out from one that is killed.
func TestP7Leader(t *testing.T) {
	ns := namespace(t)
	ends := map[string]struct {
		limit time.Duration
		end   func(*testing.T, corev1.Pod)
	}{
		// The others look at the Lease every 2 s.
		"asked": {8 * time.Second, func(t *testing.T, p corev1.Pod) { must(t, kube.Delete(t.Context(), &p)) }},
		// 15 s, and again two looks.
		"killed": {25 * time.Second, func(t *testing.T, p corev1.Pod) { must(t, system.Node.Kill(p.Namespace, p.Name, syscall.SIGKILL)) }},
	}
	for _, name := range []string{"asked", "killed"} {
		t.Run(name, func(t *testing.T) {
			var leader corev1.Pod
			system.Until(t, "one leader and one that waits", time.Minute, func(ctx context.Context) (bool, string) {
				leading, waiting, err := leaders(ctx)
				if len(leading) == 1 {
					leader = leading[0]
				}
				return len(leading) == 1 && len(waiting) == 1, fmt.Sprintf("%d lead, %d wait, %v", len(leading), len(waiting), err)
			})
			ends[name].end(t, leader)
			create(t, newPolicy(ns, name))
			within(t, ends[name].limit, ns, name)
		})
	}
}
