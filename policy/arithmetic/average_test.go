package arithmetic_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

// TestAverage: calcPlainMetricReplicas in replica_calculator.go, with GetMetricUsageRatio in
// utilization.go, for a metric of pods whose target is 10 for each.
func TestAverage(t *testing.T) {
	a, b, c := pod("a"), pod("b"), pod("c")
	pending := pod("p", phase(corev1.PodPending))
	for name, tc := range map[string]struct {
		size int32
		read arithmetic.Reading
		pods []corev1.Pod
		want string
	}{
		"more": {
			2, samples("a", 15_000, "b", 15_001), []corev1.Pod{a, b},
			"3, ratio 1.5 × 2, 15000m", // 15000.5 is cut
		},
		"rounded up": {
			2, samples("a", 11_500, "b", 11_500), []corev1.Pod{a, b},
			"3, ratio 1.15 × 2, 11500m",
		},
		"fewer": {
			3, samples("a", 3000, "b", 3000, "c", 3000), []corev1.Pod{a, b, c},
			"1, ratio 0.3 × 3, 3000m",
		},
		"pods count, and not the replicas": {
			9, samples("a", 20_000, "b", 20_000), []corev1.Pod{a, b},
			"4, ratio 2 × 2, 20000m",
		},
		"the tolerance up": {
			7, samples("a", 11_000), []corev1.Pod{a},
			"7 WithinTolerance, ratio 1.1, 11000m",
		},
		"beyond it": {
			7, samples("a", 11_001), []corev1.Pod{a},
			"2, ratio 1.1 × 1, 11001m",
		},
		"the tolerance down": {
			7, samples("a", 9000), []corev1.Pod{a},
			"7 WithinTolerance, ratio 0.9, 9000m",
		},
		"below it": {
			7, samples("a", 8999), []corev1.Pod{a},
			"1, ratio 0.8999 × 1, 8999m",
		},
		"missing, on the way up, uses nothing": {
			2, samples("a", 30_000), []corev1.Pod{a, b},
			"3, ratio 3 then 1.5 × 2, 30000m; b Missing as 0m",
		},
		"missing, on the way down, is at the target": {
			3, samples("a", 1000), []corev1.Pod{a, b, c},
			"3, ratio 0.1 then 0.7 × 3, 1000m; b Missing as 10000m; c Missing as 10000m",
		},
		"missing makes it a small change": {
			2, samples("a", 22_000), []corev1.Pod{a, b},
			"2 WithinTolerance, ratio 2.2 then 1.1, 22000m; b Missing as 0m",
		},
		"missing turns it round": {
			2, samples("a", 12_000), []corev1.Pod{a, b},
			"2 TurnedRound, ratio 1.2 then 0.6, 12000m; b Missing as 0m",
		},
		"more pods than replicas, on the way down": {
			1, samples("a", 1000, "b", 1000), []corev1.Pod{a, b, c},
			"1 OtherWay, ratio 0.1 then 0.4 × 3, 1000m; c Missing as 10000m",
		},
		"fewer pods than replicas, on the way up": {
			5, samples("a", 30_000), []corev1.Pod{a, b},
			"5 OtherWay, ratio 3 then 1.5 × 2, 30000m; b Missing as 0m",
		},
		"exactly at the target, nothing is assumed of missing ones": {
			2, samples("a", 10_000), []corev1.Pod{a, b},
			"2 WithinTolerance, ratio 1 then 1, 10000m; b Missing",
		},
		"unready, on the way up, uses nothing": {
			2, samples("a", 40_000, "p", 40_000), []corev1.Pod{a, pending},
			"4, ratio 4 then 2 × 2, 40000m; p Unready as 0m",
		},
		"unready, on the way down, stays out": {
			2, samples("a", 5000), []corev1.Pod{a, pending},
			"1, ratio 0.5 × 1, 5000m; p Unready",
		},
		"terminating and failed count for nothing": {
			2, samples("a", 20_000, "d", 1000, "f", 1000), []corev1.Pod{a, pod("d", terminating), pod("f", phase(corev1.PodFailed))},
			"2, ratio 2 × 1, 20000m; d Ignored; f Ignored",
		},
		"a pod that has succeeded counts like one that runs": {
			1, samples("a", 20_000, "s", 20_000), []corev1.Pod{a, pod("s", phase(corev1.PodSucceeded))},
			"4, ratio 2 × 2, 20000m",
		},
		"readiness does not count": {
			2, samples("a", 20_000, "n", 20_000), []corev1.Pod{a, pod("n", started(time.Minute, time.Minute, corev1.ConditionFalse))},
			"4, ratio 2 × 2, 20000m",
		},
		"the sample of no pod is in the average, and not in the pods": {
			1, samples("a", 30_000, "gone", 0), []corev1.Pod{a},
			"2, ratio 1.5 × 1, 15000m; gone Stray",
		},
		"but in the pods where some are missing": {
			1, samples("a", 60_000, "gone", 60_000), []corev1.Pod{a, b},
			"12, ratio 6 then 4 × 3, 60000m; b Missing as 0m; gone Stray",
		},
		"below 0": {
			1, samples("a", -30_000), []corev1.Pod{a},
			"-3, ratio -3 × 1, -30000m",
		},
		"no pod": {1, samples("a", 1), nil, "FailedGetPodsMetric: the target's selector finds no pod"},
		"no sample that counts": {
			1, samples("p", 1), []corev1.Pod{pending},
			"FailedGetPodsMetric: no pod has a sample that counts",
		},
		"no answer": {
			1, arithmetic.Reading{Err: errors.New("the server is away")}, []corev1.Pod{a},
			"FailedGetPodsMetric: the server is away",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := brief(arithmetic.Propose(state(tc.size, rps("10"), tc.read, tc.pods...), 0))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestUtilization: GetResourceReplicas in replica_calculator.go, with
// GetResourceUtilizationRatio in utilization.go. Pods request one CPU.
func TestUtilization(t *testing.T) {
	a, b, c := pod("a"), pod("b"), pod("c")
	cold := pod("n", started(time.Minute, time.Minute, corev1.ConditionFalse))
	small := pod("small", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{container("app", "cpu", "100m")} })
	for name, tc := range map[string]struct {
		size   int32
		target int32
		read   arithmetic.Reading
		pods   []corev1.Pod
		want   string
	}{
		"more": {
			2, 50, samples("a", 1000, "b", 500), []corev1.Pod{a, b},
			"3, ratio 1.5 × 2, 75%, 750m",
		},
		"percent are cut to whole ones": {
			2, 50, samples("a", 559, "b", 559), []corev1.Pod{a, b}, // 55.9 %
			"2 WithinTolerance, ratio 1.1, 55%, 559m",
		},
		"of the requests of the pods that have samples": {
			2, 50, samples("a", 1000, "small", 100), []corev1.Pod{a, small},
			"4, ratio 2 × 2, 100%, 550m",
		},
		"missing, on the way up, uses nothing": {
			2, 50, samples("a", 2000), []corev1.Pod{a, b},
			"4, ratio 4 then 2 × 2, 200%, 2000m; b Missing as 0m",
		},
		"missing, on the way down, uses all that it requests": {
			3, 80, samples("a", 0, "b", 0), []corev1.Pod{a, b, c},
			"2, ratio 0 then 0.4125 × 3, 0%, 0m; c Missing as 1000m",
		},
		"or the target, where that is more": {
			3, 150, samples("a", 0, "b", 0), []corev1.Pod{a, b, c},
			"1, ratio 0 then 0.3333 × 3, 0%, 0m; c Missing as 1500m",
		},
		"all that it requests turns it round": {
			2, 50, samples("a", 100), []corev1.Pod{a, b},
			"2 WithinTolerance, ratio 0.2 then 1.1, 10%, 100m; b Missing as 1000m",
		},
		"not ready yet, on the way up": {
			2, 50, samples("a", 2000, "n", 2000), []corev1.Pod{a, cold},
			"4, ratio 4 then 2 × 2, 200%, 2000m; n Unready as 0m",
		},
		"the sample of no pod is in no sum": {
			2, 50, samples("a", 1000, "gone", 9000), []corev1.Pod{a},
			"2, ratio 2 × 1, 100%, 1000m; gone Stray",
		},
		"but in the pods where some are missing": {
			1, 50, samples("a", 2000, "gone", 9000), []corev1.Pod{a, b},
			"6, ratio 4 then 2 × 3, 200%, 2000m; b Missing as 0m; gone Stray",
		},
		"a pod without a request": {
			2, 50, samples("a", 1000), []corev1.Pod{a, pod("z", terminating, func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = nil })},
			"FailedGetResourceMetric: container app of pod z requests no cpu",
		},
		"requests of 0": {
			1, 50, samples("a", 1000), []corev1.Pod{pod("a", func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{container("app", "cpu", "0")} })},
			"FailedGetResourceMetric: the pods that have samples request nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := brief(arithmetic.Propose(state(tc.size, usage("cpu", utilization(tc.target)), tc.read, tc.pods...), 0))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReadiness: groupPods in replica_calculator.go, the half that is of CPU alone.
func TestReadiness(t *testing.T) {
	const yes, no = corev1.ConditionTrue, corev1.ConditionFalse
	for name, tc := range map[string]struct {
		pod    corev1.Pod
		sample time.Duration // how long ago it was measured, over 15 s
		of     corev1.ResourceName
		want   string
	}{
		"ready for long":                       {pod("a"), 0, "cpu", ""},
		"soon after the start: not ready":      {pod("a", started(4*time.Minute, time.Minute, no)), 0, "cpu", "it started less than 5m ago and is not ready"},
		"ready, and wholly measured since":     {pod("a", started(4*time.Minute, time.Minute, yes)), 45 * time.Second, "cpu", ""},
		"ready, and measured in part before":   {pod("a", started(4*time.Minute, time.Minute, yes)), 46 * time.Second, "cpu", "it started less than 5m ago and its sample is from before it was ready"},
		"the period has just ended":            {pod("a", started(5*time.Minute, time.Minute, yes)), time.Hour, "cpu", ""},
		"later: was ready once":                {pod("a", started(time.Hour, 59*time.Minute, no)), 0, "cpu", ""},
		"later: never ready":                   {pod("a", started(time.Hour, time.Hour-29*time.Second, no)), 0, "cpu", "it has not been ready since it started"},
		"later: ready exactly after the delay": {pod("a", started(time.Hour, time.Hour-30*time.Second, no)), 0, "cpu", ""},
		"nobody knows":                         {pod("a", started(time.Minute, 59*time.Second, corev1.ConditionUnknown)), 0, "cpu", ""},
		"no condition":                         {pod("a", func(p *corev1.Pod) { p.Status.Conditions = nil }), 0, "cpu", "it has no readiness or start time yet"},
		"no start":                             {pod("a", func(p *corev1.Pod) { p.Status.StartTime = nil }), 0, "cpu", "it has no readiness or start time yet"},
		"memory":                               {pod("a", started(time.Minute, time.Minute, no)), time.Hour, "memory", ""},
	} {
		t.Run(name, func(t *testing.T) {
			read := samples("a", 1000, "z", 1000)
			s := read.Pods["a"]
			s.Timestamp = noon.Add(-tc.sample)
			read.Pods["a"] = s
			p := arithmetic.Propose(state(2, usage(tc.of, average("1")), read, tc.pod, pod("z")), 0)
			got := p.Pods[0]
			want := arithmetic.Pod{Name: "a", Role: arithmetic.Ready, Milli: ptr.To[int64](1000), Why: tc.want}
			if tc.want != "" {
				want.Role = arithmetic.Unready
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTolerances: tolerancesForHpa in horizontal.go. A behavior may have another tolerance for
// each direction.
func TestTolerances(t *testing.T) {
	s := state(4, rps("10"), samples("a", 12_000), pod("a"))
	s.HPA.Spec.Behavior = behavior(rules(0), rules(0))
	s.HPA.Spec.Behavior.ScaleUp.Tolerance = quantity("250m")
	s.HPA.Spec.Behavior.ScaleDown.Tolerance = quantity("0")
	p := arithmetic.Propose(s, 0)
	if diff := cmp.Diff("4 WithinTolerance, ratio 1.2, 12000m", brief(p)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(arithmetic.Tolerances{Down: 0, Up: 0.25}, p.Tolerances); diff != "" {
		t.Error(diff)
	}
	// With a tolerance of 0 the least that is above the target is wanted by all pods.
	s.HPA.Spec.Behavior.ScaleUp.Tolerance = quantity("0")
	s.Readings[0] = samples("a", 10_001)
	s.Pods = append(s.Pods, pod("p", phase(corev1.PodPending)))
	if diff := cmp.Diff("4 TurnedRound, ratio 1 then 0.5, 10001m; p Unready as 0m", brief(arithmetic.Propose(s, 0))); diff != "" {
		t.Error(diff)
	}
	s.Pods = s.Pods[:1]
	s.Readings[0] = samples("a", 9_999)
	if diff := cmp.Diff("1, ratio 0.9999 × 1, 9999m", brief(arithmetic.Propose(s, 0))); diff != "" {
		t.Error(diff)
	}
}
