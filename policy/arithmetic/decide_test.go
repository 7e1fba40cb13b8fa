package arithmetic_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

// nothing is the memory of a controller that has just begun with an HPA.
var nothing = &arithmetic.Memory{}

// TestCombine: computeReplicasForMetrics in horizontal.go. The target has 4 replicas; each
// metric asks for a number, or fails.
func TestCombine(t *testing.T) {
	const failed = -100
	for name, tc := range map[string]struct {
		asks   []int32
		want   []string
		chosen int
	}{
		"the highest":                                {[]int32{5, 7, 6}, []string{"Metrics 4 → 7 ValidMetricFound"}, 1},
		"the first of equal ones":                    {[]int32{7, 7}, []string{"Metrics 4 → 7 ValidMetricFound"}, 0},
		"one fails, more is wanted":                  {[]int32{failed, 6}, []string{"Metrics 4 → 6 ValidMetricFound"}, 1},
		"one fails, the same":                        {[]int32{failed, 4}, []string{"Metrics 4 → 4 ValidMetricFound"}, 1},
		"one fails, less is wanted":                  {[]int32{failed, 3}, []string{"Metrics 4 → 4 FailedGetExternalMetric"}, -1},
		"all fail":                                   {[]int32{failed, failed}, []string{"Metrics 4 → 4 FailedGetExternalMetric"}, -1},
		"below 0 is 0":                               {[]int32{-3}, []string{"Metrics 4 → 0 ValidMetricFound"}, 0},
		"one is taken in the place of 0, even below": {[]int32{0, -3}, []string{"Metrics 4 → 0 ValidMetricFound"}, 1},
		"no metric":                                  {nil, []string{"Metrics 4 → 4 InvalidMetricSourceType"}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := state(4, object(average("1")), arithmetic.Reading{})
			s.HPA.Spec.Metrics, s.Readings = nil, nil
			for _, n := range tc.asks {
				// An object's value may be below 0.
				m, r := object(average("1")), arithmetic.Reading{Values: []int64{int64(n) * 1000}}
				if n == failed {
					m, r = external(average("1")), arithmetic.Reading{Err: errors.New("no answer")}
				}
				s.HPA.Spec.Metrics, s.Readings = append(s.HPA.Spec.Metrics, m), append(s.Readings, r)
			}
			d := arithmetic.Decide(s)
			if diff := cmp.Diff(tc.want, trail(d)[:1]); diff != "" {
				t.Error(diff)
			}
			if d.Chosen != tc.chosen {
				t.Errorf("chosen is %d, want %d", d.Chosen, tc.chosen)
			}
			if len(d.Proposals) != len(tc.asks) {
				t.Errorf("%d proposals of %d metrics", len(d.Proposals), len(tc.asks))
			}
		})
	}
}

// TestSelector: validateAndParseSelector in horizontal.go.
func TestSelector(t *testing.T) {
	for name, tc := range map[string]struct {
		selector string
		rivals   []string
		want     *arithmetic.Failure
	}{
		"none":      {"", nil, &arithmetic.Failure{Reason: arithmetic.InvalidSelector, Message: "the target's scale has no selector"}},
		"no rivals": {"app=web", nil, nil},
		"rivals": {"app=web", []string{"shop/old"}, &arithmetic.Failure{
			Reason: arithmetic.AmbiguousSelector, Message: "the target's pods are also those of shop/old",
		}},
		"none to read": {"app in (", nil, &arithmetic.Failure{
			Reason:  arithmetic.InvalidSelector,
			Message: "the selector of the target's scale cannot be read: unable to parse requirement: found '', expected: ',', ')' or identifier",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(4, 6, nothing)
			s.Scale.Status.Selector, s.Rivals = tc.selector, tc.rivals
			d := arithmetic.Decide(s)
			if diff := cmp.Diff(tc.want, d.Failure); diff != "" {
				t.Error(diff)
			}
			want := exactly(4)
			if tc.want == nil {
				want = exactly(6)
			}
			if d.Replicas != want {
				t.Errorf("%s replicas, want %s", d.Replicas, want)
			}
		})
	}
}

func exactly(n int32) arithmetic.Range { return arithmetic.Range{Least: n, Most: n} }

// scaledToZero says that the HPA itself has put its target at 0.
func scaledToZero(s *arithmetic.State) {
	s.HPA.Status.Conditions = append(s.HPA.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{
		Type: autoscalingv2.ScaledToZero, Status: corev1.ConditionTrue,
	})
}

// TestBounds: reconcileAutoscaler, shouldComputeMetricsForZeroReplicas,
// convertDesiredReplicasWithRules and calculateScaleUpLimit in horizontal.go, of an HPA
// without a behavior.
func TestBounds(t *testing.T) {
	from := func(min int32) func(*arithmetic.State) {
		return func(s *arithmetic.State) { s.HPA.Spec.MinReplicas = &min }
	}
	for name, tc := range map[string]struct {
		size, want int32
		and        []func(*arithmetic.State)
		trail      []string
	}{
		"above the maximum": {12, 12, nil, []string{"IntoBounds 12 → 10"}},
		"below the minimum": {2, 9, []func(*arithmetic.State){from(3)}, []string{"IntoBounds 2 → 3"}},
		"no minimum is 1": {1, 0, []func(*arithmetic.State){func(s *arithmetic.State) { s.HPA.Spec.MinReplicas = nil }}, []string{
			"Metrics 1 → 0 ValidMetricFound", "Stabilize 0 → 1 ScaleDownStabilized", "Limit 1 → 1 DesiredWithinRange",
		}},
		"within": {4, 6, nil, []string{
			"Metrics 4 → 6 ValidMetricFound", "Stabilize 6 → 6 ReadyForNewScale", "Limit 6 → 6 DesiredWithinRange",
		}},
		"the maximum": {6, 12, nil, []string{
			"Metrics 6 → 12 ValidMetricFound", "Stabilize 12 → 12 ReadyForNewScale", "Limit 12 → 10 TooManyReplicas",
		}},
		"not more than double": {3, 9, nil, []string{
			"Metrics 3 → 9 ValidMetricFound", "Stabilize 9 → 9 ReadyForNewScale", "Limit 9 → 6 ScaleUpLimit",
		}},
		"or 4": {1, 9, nil, []string{
			"Metrics 1 → 9 ValidMetricFound", "Stabilize 9 → 9 ReadyForNewScale", "Limit 9 → 4 ScaleUpLimit",
		}},
		"the minimum": {5, 1, []func(*arithmetic.State){from(3), remembers(2)}, []string{
			"Metrics 5 → 1 ValidMetricFound", "Stabilize 1 → 2 ScaleDownStabilized", "Limit 2 → 3 TooFewReplicas",
		}},
		"at 0 by somebody": {0, 5, nil, []string{"AtZero 0 → 0 ScalingDisabled"}},
		"at 0 by itself, with a minimum of 0": {0, 3, []func(*arithmetic.State){scaledToZero, from(0)}, []string{
			"Metrics 0 → 3 ValidMetricFound", "Stabilize 3 → 3 ReadyForNewScale", "Limit 3 → 3 DesiredWithinRange",
		}},
		"at 0 by itself, with a minimum since": {0, 0, []func(*arithmetic.State){scaledToZero, from(2)}, []string{
			"Metrics 0 → 0 ValidMetricFound", "Stabilize 0 → 0 ReadyForNewScale", "Limit 0 → 2 TooFewReplicas",
		}},
		"at 0 by itself, with a minimum above 4": {0, 9, []func(*arithmetic.State){scaledToZero, from(6)}, []string{
			"Metrics 0 → 9 ValidMetricFound", "Stabilize 9 → 9 ReadyForNewScale", "Limit 9 → 4 ScaleUpLimit", "FromZero 4 → 6",
		}},
		"at 0 by itself, with a minimum of 0 and no metric without pods": {0, 3, []func(*arithmetic.State){scaledToZero, from(0), func(s *arithmetic.State) {
			s.HPA.Spec.Metrics[0] = rps("1")
		}}, []string{"AtZero 0 → 0 ScalingDisabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(tc.size, tc.want, nothing)
			for _, f := range tc.and {
				f(s)
			}
			if diff := cmp.Diff(tc.trail, trail(arithmetic.Decide(s))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// remembers gives the controller the memory of a recommendation a minute ago.
func remembers(n int32) func(*arithmetic.State) {
	return func(s *arithmetic.State) {
		s.Memory = &arithmetic.Memory{Recommendations: []arithmetic.Recommendation{{At: noon.Add(-time.Minute), Replicas: n}}}
	}
}

// TestStateIsKept: deciding changes nothing that it was given.
func TestStateIsKept(t *testing.T) {
	s := state(2, usage("cpu", utilization(50)), samples("a", 2000, "p", 1), pod("a"), pod("b"), pod("p", phase(corev1.PodPending)))
	s.HPA.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	s.HPA.Spec.MinReplicas = nil
	before := *s
	before.HPA, before.Readings = s.HPA.DeepCopy(), []arithmetic.Reading{samples("a", 2000, "p", 1)}
	d := arithmetic.Decide(s)
	if diff := cmp.Diff(&before, s); diff != "" {
		t.Error(diff)
	}
	if d.Replicas != exactly(4) || ptr.Deref(d.Proposals[0].Utilization, 0) != 200 {
		t.Errorf("%s replicas of %s", d.Replicas, brief(d.Proposals[0]))
	}
}
