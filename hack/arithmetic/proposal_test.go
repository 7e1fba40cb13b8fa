package arithmetic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/loadline/loadline/policy/arithmetic"
)

// outcome is what two implementations agree on.
type outcome struct {
	Replicas int32
	// Usage is absent where the controller divides by no pods at all.
	Usage       *int64
	Utilization int32
	Failed      bool
}

// TestProposals holds proposals against the controller's ReplicaCalculator, reading the same
// answers of the metrics APIs.
func TestProposals(t *testing.T) {
	seen := map[string]int{}
	each(t, 20_000, func(t *testing.T, r *rand.Rand) {
		d := dice{r, time.Now()}
		w := newWorld(d, 1)
		p := arithmetic.Propose(w.state(d.now), 0)
		got := outcome{Failed: p.Failure != nil}
		if !got.Failed {
			got.Replicas, got.Usage = p.Replicas, p.Usage
			if p.Utilization != nil {
				got.Utilization = *p.Utilization
			}
		}
		want := theirs(t, w, &p)
		if p.Usage == nil && !want.Failed {
			if n := w.scale.Status.Replicas; n != 0 {
				t.Errorf("no usage with %d replicas", n)
			}
			want.Usage = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the controller's (-) and ours (+):\n%s\n%s", diff, describe(w, &p))
		}
		seen[kind(&p)]++
	})
	if *seeds == 0 && *seed == 0 {
		enough(t, seen)
	}
}

// kind names what a proposal is an example of.
func kind(p *arithmetic.Proposal) string {
	switch {
	case p.Failure != nil:
		return fmt.Sprint(p.Type, " failed")
	case p.Held != "":
		return fmt.Sprint(p.Type, " ", p.TargetType, " ", p.Held)
	case p.Assumed != nil:
		return fmt.Sprint(p.Type, " ", p.TargetType, " assumed")
	}
	return fmt.Sprint(p.Type, " ", p.TargetType)
}

// enough says whether every kind of proposal was among those that were compared.
func enough(t *testing.T, seen map[string]int) {
	t.Helper()
	var want []string
	average, utilization, value := autoscalingv2.AverageValueMetricType, autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType
	for of, targets := range map[autoscalingv2.MetricSourceType][]autoscalingv2.MetricTargetType{
		autoscalingv2.ResourceMetricSourceType:          {average, utilization},
		autoscalingv2.ContainerResourceMetricSourceType: {average, utilization},
		autoscalingv2.PodsMetricSourceType:              {average},
		autoscalingv2.ObjectMetricSourceType:            {average, value},
		autoscalingv2.ExternalMetricSourceType:          {average, value},
	} {
		want = append(want, fmt.Sprint(of, " failed"))
		for _, target := range targets {
			want = append(want, fmt.Sprint(of, " ", target), fmt.Sprint(of, " ", target, " ", arithmetic.WithinTolerance))
			if of != autoscalingv2.ObjectMetricSourceType && of != autoscalingv2.ExternalMetricSourceType {
				for _, end := range []any{"assumed", arithmetic.TurnedRound, arithmetic.OtherWay} {
					want = append(want, fmt.Sprint(of, " ", target, " ", end))
				}
			}
		}
	}
	for _, k := range want {
		if seen[k] < 10 {
			t.Errorf("%d examples of %s, and 10 are wanted at least", seen[k], k)
		}
	}
	t.Logf("compared: %v", seen)
}

// tolerances makes the controller's, which has no constructor for others.
func tolerances(t *testing.T, of arithmetic.Tolerances) podautoscaler.Tolerances {
	t.Helper()
	mine := struct{ scaleDown, scaleUp float64 }{of.Down, of.Up}
	if unsafe.Sizeof(mine) != unsafe.Sizeof(podautoscaler.Tolerances{}) {
		t.Fatal("the controller's Tolerances are not two numbers any more")
	}
	made := *(*podautoscaler.Tolerances)(unsafe.Pointer(&mine))
	if want := fmt.Sprintf("[down:%.1f%%, up:%.1f%%]", of.Down*100, of.Up*100); made.String() != want {
		t.Fatalf("the controller's Tolerances are %s, want %s", made, want)
	}
	return made
}

// theirs asks the controller's calculator as computeReplicasForMetric does.
func theirs(t *testing.T, w *world, p *arithmetic.Proposal) outcome {
	t.Helper()
	set := arithmetic.DefaultSettings()
	calc := podautoscaler.NewReplicaCalculator(client(w), podLister(w), set.CPUInitializationPeriod, set.InitialReadinessDelay)
	pods, err := labels.Parse(w.scale.Status.Selector)
	if err != nil {
		t.Fatal(err)
	}
	tol, size, there := tolerances(t, p.Tolerances), w.scale.Spec.Replicas, w.scale.Status.Replicas
	m := &w.hpa.Spec.Metrics[0]
	resource := func(t autoscalingv2.MetricTarget, of corev1.ResourceName, container string) (o outcome, usage int64, err error) {
		ctx := context.Background()
		if t.AverageValue != nil {
			o.Replicas, usage, _, err = calc.GetRawResourceReplicas(ctx, size, t.AverageValue.MilliValue(), of, tol, namespace, pods, container)
		} else {
			o.Replicas, o.Utilization, usage, _, err = calc.GetResourceReplicas(ctx, size, *t.AverageUtilization, of, tol, namespace, pods, container)
		}
		return o, usage, err
	}
	var o outcome
	var usage int64
	switch {
	case m.Resource != nil:
		o, usage, err = resource(m.Resource.Target, m.Resource.Name, "")
	case m.ContainerResource != nil:
		o, usage, err = resource(m.ContainerResource.Target, m.ContainerResource.Name, m.ContainerResource.Container)
	case m.Pods != nil:
		if of, bad := metav1.LabelSelectorAsSelector(m.Pods.Metric.Selector); bad != nil {
			err = bad
		} else {
			o.Replicas, usage, _, err = calc.GetMetricReplicas(size, m.Pods.Target.AverageValue.MilliValue(), m.Pods.Metric.Name, tol, namespace, pods, of)
		}
	case m.Object != nil:
		switch of, bad := metav1.LabelSelectorAsSelector(m.Object.Metric.Selector); {
		case bad != nil:
			err = bad
		case m.Object.Target.Value != nil:
			o.Replicas, usage, _, err = calc.GetObjectMetricReplicas(size, m.Object.Target.Value.MilliValue(), m.Object.Metric.Name, tol, namespace, &m.Object.DescribedObject, pods, of)
		default:
			o.Replicas, usage, _, err = calc.GetObjectPerPodMetricReplicas(there, m.Object.Target.AverageValue.MilliValue(), m.Object.Metric.Name, tol, namespace, &m.Object.DescribedObject, of)
		}
	default:
		if t := m.External.Target; t.AverageValue != nil {
			o.Replicas, usage, _, err = calc.GetExternalPerPodMetricReplicas(there, t.AverageValue.MilliValue(), m.External.Metric.Name, tol, namespace, m.External.Metric.Selector)
		} else {
			o.Replicas, usage, _, err = calc.GetExternalMetricReplicas(size, t.Value.MilliValue(), m.External.Metric.Name, tol, namespace, m.External.Metric.Selector, pods)
		}
	}
	if err != nil {
		return outcome{Failed: true}
	}
	o.Usage = &usage
	return o
}

func describe(w *world, p *arithmetic.Proposal) string {
	text := fmt.Sprintf("size %d, in status %d; %+v\n", w.scale.Spec.Replicas, w.scale.Status.Replicas, *p)
	if p.Failure != nil {
		text += fmt.Sprintf("%+v\n", *p.Failure)
	}
	for _, pod := range p.Pods {
		text += fmt.Sprintf("%s %s (%s) milli %s assumed %s request %s\n", pod.Name, pod.Role, pod.Why, show(pod.Milli), show(pod.Assumed), show(pod.Request))
	}
	return text
}

func show(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}
