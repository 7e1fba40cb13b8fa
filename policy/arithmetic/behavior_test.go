package arithmetic_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

// rules have a window in seconds, and policies of which the one that changes most counts. By
// default they allow everything.
func rules(window int32, policies ...autoscalingv2.HPAScalingPolicy) *autoscalingv2.HPAScalingRules {
	if policies == nil {
		policies = []autoscalingv2.HPAScalingPolicy{pods(1000, 15)}
	}
	return &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window, SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect), Policies: policies}
}

func behavior(up, down *autoscalingv2.HPAScalingRules) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: up, ScaleDown: down}
}

func pods(n, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: n, PeriodSeconds: seconds}
}

func percent(n, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: n, PeriodSeconds: seconds}
}

func choose(by autoscalingv2.ScalingPolicySelect, r *autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	r.SelectPolicy = &by
	return r
}

func recommended(of ...any) *arithmetic.Memory {
	m := &arithmetic.Memory{}
	for i := 0; i < len(of); i += 2 {
		m.Recommendations = append(m.Recommendations, arithmetic.Recommendation{At: noon.Add(-of[i].(time.Duration)), Replicas: int32(of[i+1].(int))})
	}
	return m
}

// TestStabilize: stabilizeRecommendation and stabilizeRecommendationWithBehaviors in
// horizontal.go, with and without the controller's memory.
func TestStabilize(t *testing.T) {
	const minute = time.Minute
	for name, tc := range map[string]struct {
		size, want  int32
		behavior    *autoscalingv2.HorizontalPodAutoscalerBehavior
		memory      *arithmetic.Memory
		known, seen string
	}{
		"without a behavior: the highest holds": {
			5, 2, nil, recommended(4*minute, 4, 2*minute, 3),
			"Stabilize 2 → 4 ScaleDownStabilized", "Stabilize 2 → 2 or more (not observable)",
		},
		"without a behavior: even above the size": {
			5, 2, nil, recommended(minute, 9),
			"Stabilize 2 → 9 ScaleDownStabilized", "Stabilize 2 → 2 or more (not observable)",
		},
		"without a behavior: one of exactly the window counts": {
			5, 2, nil, recommended(5*minute, 4),
			"Stabilize 2 → 4 ScaleDownStabilized", "Stabilize 2 → 2 or more (not observable)",
		},
		"without a behavior: an older one does not": {
			5, 2, nil, recommended(5*minute+1, 4, minute, 1),
			"Stabilize 2 → 2 ReadyForNewScale", "Stabilize 2 → 2 or more (not observable)",
		},
		"a controller that has just started remembers the size": {
			5, 2, nil, nothing,
			"Stabilize 2 → 5 ScaleDownStabilized", "Stabilize 2 → 2 or more (not observable)",
		},
		"down: the highest holds": {
			5, 2, behavior(rules(0), rules(300)), recommended(4*minute, 4, 2*minute, 3),
			"Stabilize 2 → 4 ScaleDownStabilized", "Stabilize 2 → 2 to 5 (not observable)",
		},
		"down: never above the size": {
			5, 2, behavior(rules(0), rules(300)), recommended(minute, 9),
			"Stabilize 2 → 5 ScaleDownStabilized", "Stabilize 2 → 2 to 5 (not observable)",
		},
		"down: one of exactly the window does not count": {
			5, 2, behavior(rules(0), rules(300)), recommended(5*minute, 4, minute, 1),
			"Stabilize 2 → 2 ReadyForNewScale", "Stabilize 2 → 2 to 5 (not observable)",
		},
		"down: the controller's window where there is none": {
			5, 2, behavior(rules(0), &autoscalingv2.HPAScalingRules{}), recommended(4*minute, 4),
			"Stabilize 2 → 4 ScaleDownStabilized", "Stabilize 2 → 2 to 5 (not observable)",
		},
		"down: a window of 0": {
			5, 2, behavior(rules(300), rules(0)), recommended(minute, 9),
			"Stabilize 2 → 2 ReadyForNewScale", "Stabilize 2 → 2 ReadyForNewScale",
		},
		"up: the lowest holds": {
			5, 9, behavior(rules(60), rules(0)), recommended(30*time.Second, 7, 20*time.Second, 8),
			"Stabilize 9 → 7 ScaleUpStabilized", "Stabilize 9 → 5 to 9 (not observable)",
		},
		"up: never below the size": {
			5, 9, behavior(rules(60), rules(0)), recommended(30*time.Second, 1),
			"Stabilize 9 → 5 ScaleUpStabilized", "Stabilize 9 → 5 to 9 (not observable)",
		},
		"up: a window of 0, whatever that down": {
			5, 9, behavior(rules(0), rules(300)), recommended(30*time.Second, 1),
			"Stabilize 9 → 9 ReadyForNewScale", "Stabilize 9 → 9 ReadyForNewScale",
		},
		"the size that there is": {
			5, 5, behavior(rules(300), rules(300)), recommended(minute, 9, minute, 1),
			"Stabilize 5 → 5 ReadyForNewScale", "Stabilize 5 → 5 ReadyForNewScale",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(tc.size, tc.want, tc.memory)
			s.HPA.Spec.Behavior = tc.behavior
			if diff := cmp.Diff(tc.known, trail(arithmetic.Decide(s))[1]); diff != "" {
				t.Error(diff)
			}
			s.Memory = nil
			if diff := cmp.Diff(tc.seen, trail(arithmetic.Decide(s))[1]); diff != "" {
				t.Errorf("without the memory: %s", diff)
			}
		})
	}
}

// TestObservable: what the status of an HPA without a behavior says about the controller's
// recommendations. The target has 5 replicas, and 2 are wanted.
func TestObservable(t *testing.T) {
	type conditions map[autoscalingv2.HorizontalPodAutoscalerConditionType]string
	all := func(able, active, limited string) conditions {
		return conditions{autoscalingv2.AbleToScale: able, autoscalingv2.ScalingActive: active, autoscalingv2.ScalingLimited: limited}
	}
	const any, unlimited = "2 or more", "False DesiredWithinRange"
	for name, tc := range map[string]struct {
		of   conditions
		and  func(*autoscalingv2.HorizontalPodAutoscaler)
		want string
	}{
		"nothing":                        {nil, nil, any},
		"at rest":                        {all("True ReadyForNewScale", "True ValidMetricFound", unlimited), nil, "2 to 7"},
		"held":                           {all("True ScaleDownStabilized", "True ValidMetricFound", unlimited), nil, "2 to 7"},
		"scaled":                         {all("True SucceededRescale", "True ValidMetricFound", unlimited), nil, "2 to 7"},
		"at the minimum":                 {all("True ReadyForNewScale", "True ValidMetricFound", "True TooFewReplicas"), nil, "2 to 5"},
		"more is remembered than may be": {all("True ReadyForNewScale", "True ValidMetricFound", "True TooManyReplicas"), nil, any},
		"more than at once":              {all("True SucceededRescale", "True ValidMetricFound", "True ScaleUpLimit"), nil, any},
		"no metrics":                     {all("True SucceededGetScale", "False FailedGetPodsMetric", unlimited), nil, any},
		"scaled, and not written":        {all("False FailedUpdateScale", "True ValidMetricFound", unlimited), nil, any},
		"a reason of another path":       {all("True ScaleUpStabilized", "True ValidMetricFound", unlimited), nil, any},
		"moved into the bounds": {all("True SucceededRescale", "True ValidMetricFound", unlimited), func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Status.CurrentMetrics = nil
		}, any},
		"another spec": {all("True ReadyForNewScale", "True ValidMetricFound", unlimited), func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Generation++
		}, any},
		"a server without generations": {all("True ReadyForNewScale", "True ValidMetricFound", unlimited), func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Generation, h.Status.ObservedGeneration = 0, ptr.To[int64](0)
		}, any},
		"a controller without": {all("True ReadyForNewScale", "True ValidMetricFound", unlimited), func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Status.ObservedGeneration = nil
		}, any},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(5, 2, nil)
			st := &s.HPA.Status
			st.DesiredReplicas, st.ObservedGeneration = 7, ptr.To[int64](3)
			st.CurrentMetrics = make([]autoscalingv2.MetricStatus, 1)
			for of, text := range tc.of {
				c := autoscalingv2.HorizontalPodAutoscalerCondition{Type: of, Status: corev1.ConditionTrue, Reason: text[len("True "):]}
				if text[0] == 'F' {
					c.Status, c.Reason = corev1.ConditionFalse, text[len("False "):]
				}
				st.Conditions = append(st.Conditions, c)
			}
			if tc.and != nil {
				tc.and(s.HPA)
			}
			if diff := cmp.Diff(tc.want, arithmetic.Decide(s).Steps[1].Out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRate: convertDesiredReplicasWithBehaviorRate, calculateScaleUpLimitWithScalingRules,
// calculateScaleDownLimitWithBehaviors and getReplicasChangePerPeriod in horizontal.go, with
// the controller's memory of a minute ago: 2 added, 1 removed.
func TestRate(t *testing.T) {
	memory := &arithmetic.Memory{
		Ups:   []arithmetic.Change{{At: noon.Add(-time.Minute), By: 2}},
		Downs: []arithmetic.Change{{At: noon.Add(-time.Minute), By: 1}},
	}
	const most, least, off = autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect
	for name, tc := range map[string]struct {
		size, want int32
		choice     autoscalingv2.ScalingPolicySelect
		policies   []autoscalingv2.HPAScalingPolicy
		trail      string
	}{
		"up, within":                         {5, 6, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 6 → 6 DesiredWithinRange"},
		"up, by pods":                        {5, 9, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 9 → 7 ScaleUpLimit"},
		"up, by percent, rounded up":         {5, 9, most, []autoscalingv2.HPAScalingPolicy{percent(50, 15)}, "Limit 9 → 8 ScaleUpLimit"},
		"up, from the start of the period":   {5, 9, most, []autoscalingv2.HPAScalingPolicy{pods(3, 61)}, "Limit 9 → 7 ScaleUpLimit"},
		"up, what is as old as the period":   {5, 9, most, []autoscalingv2.HPAScalingPolicy{pods(3, 60)}, "Limit 9 → 8 ScaleUpLimit"},
		"up, nothing is left of the period":  {5, 9, most, []autoscalingv2.HPAScalingPolicy{percent(10, 61)}, "Limit 9 → 5 ScaleUpLimit"},
		"up, the greatest change":            {5, 9, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15), percent(60, 15)}, "Limit 9 → 8 ScaleUpLimit"},
		"up, the least change":               {5, 9, least, []autoscalingv2.HPAScalingPolicy{pods(2, 15), percent(60, 15)}, "Limit 9 → 7 ScaleUpLimit"},
		"up, off":                            {5, 9, off, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 9 → 5 ScaleUpLimit"},
		"up, the maximum":                    {5, 12, most, []autoscalingv2.HPAScalingPolicy{pods(100, 15)}, "Limit 12 → 10 TooManyReplicas"},
		"up, more than there are numbers":    {5, 9, most, []autoscalingv2.HPAScalingPolicy{pods(math.MaxInt32, 15)}, "Limit 9 → 5 ScaleUpLimit"},
		"down, within":                       {9, 8, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 8 → 8 DesiredWithinRange"},
		"down, by pods":                      {9, 2, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 2 → 7 ScaleDownLimit"},
		"down, by percent, what is left cut": {9, 2, most, []autoscalingv2.HPAScalingPolicy{percent(30, 15)}, "Limit 2 → 6 ScaleDownLimit"},
		"down, from the start of the period": {9, 2, most, []autoscalingv2.HPAScalingPolicy{pods(3, 61)}, "Limit 2 → 5 ScaleDownLimit"},
		"down, the greatest change":          {9, 2, most, []autoscalingv2.HPAScalingPolicy{pods(2, 15), pods(4, 15)}, "Limit 2 → 5 ScaleDownLimit"},
		"down, the least change":             {9, 2, least, []autoscalingv2.HPAScalingPolicy{pods(2, 15), pods(4, 15)}, "Limit 2 → 7 ScaleDownLimit"},
		"down, off":                          {9, 2, off, []autoscalingv2.HPAScalingPolicy{pods(2, 15)}, "Limit 2 → 9 ScaleDownLimit"},
		"down, the minimum":                  {9, 0, most, []autoscalingv2.HPAScalingPolicy{pods(100, 15)}, "Limit 0 → 1 TooFewReplicas"},
		"the size that there is":             {9, 9, off, []autoscalingv2.HPAScalingPolicy{pods(1, 15)}, "Limit 9 → 9 DesiredWithinRange"},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(tc.size, tc.want, memory)
			r := choose(tc.choice, rules(0, tc.policies...))
			s.HPA.Spec.Behavior = behavior(r, r)
			if diff := cmp.Diff(tc.trail, trail(arithmetic.Decide(s))[2]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRateUnseen: what is certain of a rate without the controller's memory. The target was
// scaled 30 s ago, to a size of 5 or 9.
func TestRateUnseen(t *testing.T) {
	const least = autoscalingv2.MinChangePolicySelect
	last := ptr.To(metav1.NewTime(noon.Add(-30 * time.Second)))
	for name, tc := range map[string]struct {
		size, want int32
		rules      *autoscalingv2.HPAScalingRules
		last       *metav1.Time
		trail      string
	}{
		"a period since":                    {5, 9, rules(0, pods(2, 29)), last, "Limit 9 → 7 ScaleUpLimit"},
		"the status has whole seconds":      {5, 9, rules(0, pods(2, 30)), last, "Limit 9 → 5 to 9 (not observable)"},
		"up, a period around":               {5, 12, rules(0, pods(2, 60)), last, "Limit 12 → 5 to 10 (not observable)"},
		"up, one of both at least":          {5, 9, rules(0, pods(2, 15), pods(4, 60)), last, "Limit 9 → 7 to 9 (not observable)"},
		"up, both of them":                  {5, 9, choose(least, rules(0, pods(2, 15), pods(4, 60))), last, "Limit 9 → 5 to 7 (not observable)"},
		"down, a period around":             {9, 0, rules(0, pods(2, 60)), last, "Limit 0 → 1 to 9 (not observable)"},
		"down, one of both at least":        {9, 2, rules(0, pods(2, 15), pods(4, 60)), last, "Limit 2 → 2 to 7 (not observable)"},
		"down, both of them":                {9, 2, choose(least, rules(0, pods(2, 15), pods(4, 60))), last, "Limit 2 → 7 to 9 (not observable)"},
		"never scaled":                      {5, 9, rules(0, pods(2, 60)), nil, "Limit 9 → 7 ScaleUpLimit"},
		"held perhaps, and limited perhaps": {9, 2, rules(300, pods(2, 15)), last, "Limit 2 to 9 → 7 to 9"},
	} {
		t.Run(name, func(t *testing.T) {
			s := asks(tc.size, tc.want, nil)
			s.HPA.Status.LastScaleTime = tc.last
			s.HPA.Spec.Behavior = behavior(tc.rules, tc.rules)
			if diff := cmp.Diff(tc.trail, trail(arithmetic.Decide(s))[2]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRange: what a range says for people.
func TestRange(t *testing.T) {
	const least, most = math.MinInt32, math.MaxInt32
	for want, r := range map[string]arithmetic.Range{
		"5": {Least: 5, Most: 5}, "5 to 8": {Least: 5, Most: 8}, "5 or more": {Least: 5, Most: most},
		"5 or fewer": {Least: least, Most: 5}, "any number": {Least: least, Most: most}, "2147483647": {Least: most, Most: most},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if r := (arithmetic.Range{Least: 5, Most: 8}); !r.Has(5) || !r.Has(8) || r.Has(4) || r.Has(9) {
		t.Error("5 to 8 does not have 5 and 8, or it has 4 or 9")
	}
}
