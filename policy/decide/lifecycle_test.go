package decide

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// A schedule's floor is stored before the HPA follows, and when it ends it is taken down
// in the steps of the profile, one a period.
func TestScheduleEndsInSteps(t *testing.T) {
	w := newWorld(t, scheduled("6 5 * * *", time.Hour, 10)) // since 7 seconds
	first := w.turn()
	if first.Intent == nil || len(first.Intent.Floors) != 1 || first.Intent.ObservedGeneration == 0 {
		t.Fatalf("the floor is not stored first: %+v", first.Intent)
	}
	w.rest()
	if w.min() != 10 || w.condition(v1alpha1.Held) != "True Schedule" || w.message(v1alpha1.Held) != "min 10 until 2026-03-04 06:06 UTC by schedule s" {
		t.Fatalf("min %d, %s: %s", w.min(), w.condition(v1alpha1.Held), w.message(v1alpha1.Held))
	}
	w.pass(time.Hour - 8*time.Second)
	if w.min() != 10 {
		t.Fatalf("min %d a second before the end", w.min())
	}
	var seen []int32
	for range 10 {
		w.pass(30 * time.Second)
		seen = append(seen, w.min())
	}
	// A quarter less each 30 s, from 30 s after the end on.
	want := []int32{10, 7, 5, 3, 2, 2, 2, 2, 2, 2}
	for i := range want {
		if seen[i] != want[i] {
			t.Fatalf("minima %v, want %v", seen, want)
		}
	}
	if w.condition(v1alpha1.Held) != "False NotHeld" || w.policy.Status.Release != nil {
		t.Errorf("%s, release %+v", w.condition(v1alpha1.Held), w.policy.Status.Release)
	}
	for _, e := range []string{EventApplied, EventFloorRaised, EventFloorReleased} {
		if !w.happened(e) {
			t.Errorf("no Event %s in %v", e, w.events)
		}
	}
}

// scheduled adds a schedule.
func scheduled(start string, d time.Duration, min int32) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Schedules = append(p.Spec.Schedules, v1alpha1.Schedule{Name: "s", Start: start, Duration: metav1.Duration{Duration: d}, Min: min})
	}
}

// fallback adds one.
func fallback(after time.Duration, min int32) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: after}, Min: min}
	}
}

// withCPU adds an objective, so that one of two metrics can be missing.
func withCPU(p *v1alpha1.AutoscalingPolicy) {
	p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{CPU: &v1alpha1.Resource{Utilization: ptr.To(int32(60))}})
}

// Metrics that are gone raise the minimum after a while; when they are back it is held
// for a window of scaling in, and then goes down in steps.
func TestFallback(t *testing.T) {
	for _, missing := range []state{allBad, someBad, oneGood} {
		t.Run(string(missing), func(t *testing.T) {
			w := newWorld(t, fallback(2*time.Minute, 8), withCPU)
			w.pass(20 * time.Minute)
			w.metrics = missing
			w.pass(119 * time.Second)
			if w.min() != 2 || w.policy.Status.Fallback.Phase != v1alpha1.Suspect {
				t.Fatalf("min %d, %+v", w.min(), w.policy.Status.Fallback)
			}
			if says := w.message(v1alpha1.MetricsAvailable); !strings.Contains(says, "cannot read") || !strings.Contains(says, "fallback holds 8 pods from 2026-03-04 05:28 UTC on") {
				t.Errorf("says %q", says)
			}
			w.pass(time.Second)
			if w.min() != 8 || w.condition(v1alpha1.Held) != "True Fallback" {
				t.Fatalf("min %d, %s", w.min(), w.condition(v1alpha1.Held))
			}
			n := len(w.writes)
			w.pass(3 * time.Hour)
			if w.min() != 8 || w.count("status", n) > 7 || w.count(string(Apply), n) > 0 {
				t.Fatalf("min %d, writes in 3 h: %v", w.min(), w.writes[n:])
			}
			w.metrics = good
			w.pass(5*time.Minute - time.Second) // the window of Balanced
			if w.min() != 8 {
				t.Fatalf("min %d within a window of the recovery", w.min())
			}
			w.pass(time.Minute)
			if w.min() >= 8 || w.min() <= 2 {
				t.Fatalf("min %d is no step", w.min())
			}
			w.pass(10 * time.Minute)
			if w.min() != 2 || w.policy.Status.Fallback != nil {
				t.Fatalf("min %d, %+v", w.min(), w.policy.Status.Fallback)
			}
			if !w.happened(EventFallbackEngaged) || !w.happened(EventRecovered) {
				t.Errorf("Events %v", w.events)
			}
		})
	}
}

// Without a status, a minimum that nothing explains is kept for an hour.
func TestStatusLost(t *testing.T) {
	w := newWorld(t, fallback(2*time.Minute, 8))
	w.rest()
	w.metrics = allBad
	w.pass(10 * time.Minute)
	w.metrics = good
	w.sync()
	w.store(v1alpha1.AutoscalingPolicyStatus{})
	w.rest()
	if w.min() != 8 || w.condition(v1alpha1.Held) != "True UnknownOrigin" {
		t.Fatalf("min %d, %s", w.min(), w.condition(v1alpha1.Held))
	}
	w.pass(time.Hour - time.Second)
	if w.min() != 8 {
		t.Fatalf("min %d within the hour", w.min())
	}
	w.pass(10 * time.Minute)
	if w.min() != 2 {
		t.Fatalf("min %d after it", w.min())
	}
	// A minimum of the owner's own is no such thing.
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min = 6 })
	w.rest()
	w.store(v1alpha1.AutoscalingPolicyStatus{})
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min = 3 })
	w.rest()
	if w.min() != 3 {
		t.Errorf("min %d: the owner's old minimum is held", w.min())
	}
}

// What somebody writes into our HPA is put right, the minimum downwards only in steps;
// one who keeps at it is reported and not fought.
func TestForeignEdits(t *testing.T) {
	w := newWorld(t)
	w.rest()
	w.pass(10 * time.Minute)
	for name, change := range map[string]func(*autoscalingv2.HorizontalPodAutoscalerSpec){
		"max":      func(s *autoscalingv2.HorizontalPodAutoscalerSpec) { s.MaxReplicas = 50 },
		"min down": func(s *autoscalingv2.HorizontalPodAutoscalerSpec) { s.MinReplicas = ptr.To(int32(1)) },
		"metrics":  func(s *autoscalingv2.HorizontalPodAutoscalerSpec) { s.Metrics = nil },
		"target":   func(s *autoscalingv2.HorizontalPodAutoscalerSpec) { s.ScaleTargetRef.Name = "other" },
		"tolerance": func(s *autoscalingv2.HorizontalPodAutoscalerSpec) {
			s.Behavior.ScaleDown.Tolerance = ptr.To(*s.Metrics[0].Pods.Target.AverageValue)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			want := w.live.Spec.DeepCopy()
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { change(&h.Spec) })
			w.rest()
			if w.min() != *want.MinReplicas || w.live.Spec.MaxReplicas != want.MaxReplicas || len(w.live.Spec.Metrics) != 1 ||
				w.live.Spec.ScaleTargetRef.Name != "web" || w.live.Spec.Behavior.ScaleDown.Tolerance != nil {
				t.Errorf("left: %+v", w.live.Spec)
			}
		})
	}
	w.t = t
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To(int32(8)) })
	w.rest()
	if w.min() != 8 || w.condition(v1alpha1.Held) != "True Releasing" {
		t.Fatalf("min %d, %s: raised by hand", w.min(), w.condition(v1alpha1.Held))
	}
	w.pass(30 * time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d, want the first step to 6", w.min())
	}
	w.pass(5 * time.Minute)
	if w.min() != 2 {
		t.Fatalf("min %d", w.min())
	}
	w.pass(time.Hour)
	for i := range 3 {
		if got := w.condition(v1alpha1.Conflict); got != "False NoConflict" {
			t.Fatalf("%s after %d rewrites", got, i)
		}
		w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 50 })
		w.rest()
	}
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 50 })
	w.rest()
	if w.live.Spec.MaxReplicas != 50 || w.condition(v1alpha1.Conflict) != "True Fight" || w.policy.Status.State != StateConflict {
		t.Fatalf("max %d, %s, %s", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Conflict), w.policy.Status.State)
	}
	w.pass(11 * time.Minute)
	if w.live.Spec.MaxReplicas != 10 {
		t.Errorf("max %d: it is not tried again", w.live.Spec.MaxReplicas)
	}
	w.pass(20 * time.Minute)
	if got := w.condition(v1alpha1.Conflict); got != "False NoConflict" {
		t.Errorf("%s long after the fight", got)
	}
}

// A selector with thousands of values makes no message that the API server refuses, with
// which the whole status, and the fallback in it, would be lost.
func TestLongSelector(t *testing.T) {
	for name, metrics := range map[string]state{"all missing": allBad, "one missing": someBad} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withCPU, fallback(time.Minute, 5), func(p *v1alpha1.AutoscalingPolicy) {
				var values []string
				for i := range 1500 {
					values = append(values, strings.Repeat("v", 40)+strconv.Itoa(i))
				}
				p.Spec.Objectives[0].RequestRate.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "handler", Operator: metav1.LabelSelectorOpIn, Values: values}}}
				slices.Reverse(p.Spec.Objectives) // the last is the one that is missing
			})
			w.rest()
			w.metrics = metrics
			w.pass(5 * time.Minute)
			if w.condition(v1alpha1.Held) != "True Fallback" {
				t.Fatal(w.condition(v1alpha1.Held))
			}
			if data := len(jsonOf(t, w.policy.Status)); data > 10_000 {
				t.Errorf("the status has %d bytes", data)
			}
			if says := w.message(v1alpha1.MetricsAvailable); !strings.Contains(says, "http_requests_per_second{handler in (vvv") {
				t.Error(says)
			}
		})
	}
}

// A metric that comes and goes with each sync costs no write each time.
func TestFlappingMetric(t *testing.T) {
	w := newWorld(t, fallback(time.Hour, 8))
	w.pass(10 * time.Minute)
	if writes := w.flap(good, allBad); len(writes) > 45 {
		t.Errorf("%d writes in 20 minutes", len(writes))
	}
}

// In an outage nothing wakes a target that its HPA has scaled to 0, and the policy says so.
func TestFallbackAtZero(t *testing.T) {
	w := newWorld(t, fallback(time.Minute, 3), func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas.Min = 0
		p.Spec.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: *p.Spec.Objectives[0].RequestRate.PerPod.ToDec()}}}
	})
	w.rest()
	w.size, w.metrics = 0, allBad
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Status.Conditions = append(h.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScaledToZero, Status: "True"})
	})
	w.pass(5 * time.Minute)
	if says := w.message(v1alpha1.MetricsAvailable); w.min() != 3 || !strings.Contains(says, "No minimum wakes a target from 0") {
		t.Errorf("min %d, %q", w.min(), says)
	}
}

// Who keeps raising the minimum is not fought either.
func TestMinimumRaisedAgainAndAgain(t *testing.T) {
	w := newWorld(t)
	w.pass(10 * time.Minute)
	for i := range 3 {
		w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To(int32(8)) })
		w.pass(40 * time.Second)
		if stepped := w.min() < 8; stepped != (i < 2) {
			t.Fatalf("min %d after %d edits", w.min(), i+1)
		}
	}
	if w.condition(v1alpha1.Conflict) != "True Fight" || !strings.Contains(w.message(v1alpha1.Conflict), "spec.minReplicas") {
		t.Errorf("%s: %s", w.condition(v1alpha1.Conflict), w.message(v1alpha1.Conflict))
	}
	w.pass(2 * time.Hour)
	if w.min() != 2 || w.condition(v1alpha1.Conflict) != "False NoConflict" {
		t.Errorf("min %d long after, %s", w.min(), w.condition(v1alpha1.Conflict))
	}
}

// Until the HPA controller has seen an HPA, what was read of its target counts.
func TestTargetBeforeTheHPA(t *testing.T) {
	for name, tc := range map[string]struct {
		target Target
		ready  string
	}{
		"there":     {Target{State: TargetFound, Replicas: 3}, "True Applied"},
		"not there": {Target{State: TargetNotFound}, "False TargetNotFound"},
		"at 0":      {Target{State: TargetFound}, "True TargetAtZero"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.metrics, w.target = unseen, tc.target
			w.turn()
			w.target = Target{} // it is not read again
			w.rest()
			if got := w.condition(v1alpha1.Ready); got != tc.ready {
				t.Errorf("%s, want %s", got, tc.ready)
			}
			w.metrics = good
			w.rest()
			if got := w.condition(v1alpha1.Ready); got != "True Applied" {
				t.Errorf("%s when the HPA says that it is there", got)
			}
		})
	}
}
