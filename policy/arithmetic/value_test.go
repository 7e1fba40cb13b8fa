package arithmetic_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/arithmetic"
)

// TestValue: GetObjectMetricReplicas and GetExternalMetricReplicas in replica_calculator.go,
// whose targets are one value for all pods. It is 10.
func TestValue(t *testing.T) {
	a, b := pod("a"), pod("b")
	for name, tc := range map[string]struct {
		size   int32
		values []int64
		pods   []corev1.Pod
		want   string
	}{
		"times the ready pods, and not the replicas": {9, []int64{20_000}, []corev1.Pod{a, b}, "4, ratio 2 × 2, 20000m"},
		"within the tolerance":                       {9, []int64{11_000}, []corev1.Pod{a, b}, "9 WithinTolerance, ratio 1.1, 11000m"},
		"fewer":                                      {9, []int64{1}, []corev1.Pod{a, b}, "1, ratio 0.0001 × 2, 1m"},
		"none":                                       {9, []int64{0}, []corev1.Pod{a, b}, "0, ratio 0 × 2, 0m"},
		"terminating pods count while they are ready": {
			2, []int64{20_000}, []corev1.Pod{a, pod("b", terminating)}, "4, ratio 2 × 2, 20000m",
		},
		"unready ones do not": {
			2, []int64{20_000}, []corev1.Pod{a, pod("b", started(time.Hour, time.Minute, corev1.ConditionFalse)), pod("c", phase(corev1.PodSucceeded))},
			"2, ratio 2 × 1, 20000m; b Unready; c Unready",
		},
		"from 0: the ratio itself, without a tolerance": {0, []int64{10_001}, nil, "2, ratio 1, 10001m"},
		"more than there are numbers":                   {1, []int64{math.MaxInt64}, []corev1.Pod{a}, "2147483647, ratio 9.223e+14 × 1, 9223372036854775807m"},
		"no pods":                                       {1, []int64{20_000}, nil, "FailedGetExternalMetric: the target's selector finds no pod"},
		"no pods, and nothing to do":                    {1, []int64{10_000}, nil, "1 WithinTolerance, ratio 1, 10000m"},
		"all series are added up":                       {9, []int64{15_000, 5_000}, []corev1.Pod{a, b}, "4, ratio 2 × 2, 20000m"},
		"to the greatest number at most":                {1, []int64{math.MaxInt64, 5_000}, []corev1.Pod{a}, "2147483647, ratio 9.223e+14 × 1, 9223372036854775807m"},
		"no series":                                     {1, nil, []corev1.Pod{a}, "FailedGetExternalMetric: the metrics API answered with an empty list"},
	} {
		t.Run(name, func(t *testing.T) {
			got := brief(arithmetic.Propose(state(tc.size, external(value("10")), arithmetic.Reading{Values: tc.values}, tc.pods...), 0))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if len(tc.values) != 1 || len(tc.pods) == 0 {
				return
			}
			got = brief(arithmetic.Propose(state(tc.size, object(value("10")), arithmetic.Reading{Values: tc.values}, tc.pods...), 0))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("of an object: %s", diff)
			}
		})
	}
}

// TestShared: GetObjectPerPodMetricReplicas and GetExternalPerPodMetricReplicas in
// replica_calculator.go, whose targets are a value for each pod. It is 10.
func TestShared(t *testing.T) {
	for name, tc := range map[string]struct {
		size, there      int32
		values           []int64
		object, external string
	}{
		"more":   {2, 2, []int64{50_000}, "5, ratio 2.5, 25000m", "5, ratio 2.5, 25000m"},
		"fewer":  {5, 5, []int64{11_000}, "2, ratio 0.22, 2200m", "2, ratio 0.22, 2200m"},
		"nought": {5, 5, []int64{0}, "0, ratio 0, 0m", "0, ratio 0, 0m"},
		"the replicas that are there, and not those wanted, are the size within the tolerance": {
			4, 5, []int64{50_000}, "5 WithinTolerance, ratio 1, 10000m", "5 WithinTolerance, ratio 1, 10000m",
		},
		"the average is rounded up":    {3, 3, []int64{50_000}, "5, ratio 1.667, 16667m", "5, ratio 1.667, 16667m"},
		"with no pods there":           {0, 0, []int64{50_000}, "5, ratio +Inf", "5, ratio +Inf"},
		"with no pods there, no value": {0, 0, []int64{0}, "0, ratio NaN", "0, ratio NaN"},
		// Upstream takes the sum for an overflow.
		"an external value below 0 asks for all": {
			2, 2, []int64{-1}, "0, ratio -5e-05, 0m", "2147483647, ratio 4.612e+14, 9223372036854775807m",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, of := range []struct {
				m    autoscalingv2.MetricSpec
				want string
			}{{object(average("10")), tc.object}, {external(average("10")), tc.external}} {
				s := state(tc.size, of.m, arithmetic.Reading{Values: tc.values})
				s.Scale.Status.Replicas = tc.there
				if diff := cmp.Diff(of.want, brief(arithmetic.Propose(s, 0))); diff != "" {
					t.Errorf("%s: %s", of.m.Type, diff)
				}
			}
		})
	}
}

// TestNoProposal: computeReplicasForMetric in horizontal.go and what it calls, where a metric
// is not as it has to be.
func TestNoProposal(t *testing.T) {
	bad := rps("10")
	bad.Pods.Metric.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	mixed := object(average("10"))
	mixed.Object.Target.Type = autoscalingv2.ValueMetricType
	for name, tc := range map[string]struct {
		m    autoscalingv2.MetricSpec
		r    arithmetic.Reading
		want string
	}{
		"a selector that is none":    {bad, samples("a", 1), `FailedGetPodsMetric: its selector is none: "Like" is not a valid label selector operator`},
		"an object of two values":    {object(value("1")), arithmetic.Reading{Values: []int64{1, 2}}, "FailedGetObjectMetric: the metrics API answered with more than one value for one object"},
		"a target of another type":   {mixed, arithmetic.Reading{Values: []int64{1}}, "FailedGetObjectMetric: it has no target of its type: neither value nor averageValue"},
		"no target":                  {usage("cpu", autoscalingv2.MetricTarget{}), samples("a", 1), "FailedGetResourceMetric: it has no target: neither averageUtilization nor averageValue"},
		"no target, external":        {external(autoscalingv2.MetricTarget{}), samples("a", 1), "FailedGetExternalMetric: it has no target: neither value nor averageValue"},
		"no target, pods":            {autoscalingv2.MetricSpec{Type: "Pods", Pods: &autoscalingv2.PodsMetricSource{}}, samples("a", 1), "FailedGetPodsMetric: it has no target: no averageValue"},
		"a type that there is not":   {autoscalingv2.MetricSpec{Type: "Cost"}, samples("a", 1), "InvalidMetricSourceType: the metric has no source of its type"},
		"a metric that was not read": {rps("10"), arithmetic.Reading{}, "FailedGetPodsMetric: it was not read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := state(1, tc.m, tc.r, pod("a"))
			if name == "a metric that was not read" {
				s.Readings = nil
			}
			if diff := cmp.Diff(tc.want, brief(arithmetic.Propose(s, 0))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
