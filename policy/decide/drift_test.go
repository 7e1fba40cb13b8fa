package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Drift is what is left other than the policy says, and neither what is put right at once
// nor a minimum that a floor has raised.
func TestDrifted(t *testing.T) {
	mode := func(m v1alpha1.Mode) func(*v1alpha1.AutoscalingPolicySpec) {
		return func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = m }
	}
	larger := func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 20 }
	byHand := func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 50 }
	for name, tc := range map[string]struct {
		do   func(*world) Plan
		want bool
	}{
		"at rest, with a floor": {func(w *world) Plan { return w.rest() }, false},
		"an edit that is put right": {func(w *world) Plan {
			w.edit(byHand)
			return w.turn()
		}, false},
		"the policy's change": {func(w *world) Plan {
			w.spec(larger)
			return w.turn()
		}, false},
		"a fight": {func(w *world) Plan {
			fought(w)
			return w.rest()
		}, true},
		"a write that is refused": {func(w *world) Plan {
			w.spec(larger)
			s := w.snapshot()
			s.Refused = &Refusal{Message: "no"}
			return Decide(s)
		}, true},
		"DryRun": {func(w *world) Plan {
			w.spec(mode(v1alpha1.DryRun))
			return w.rest()
		}, false},
		"DryRun of something else": {func(w *world) Plan {
			w.spec(mode(v1alpha1.DryRun))
			w.spec(larger)
			return w.rest()
		}, true},
		"Paused, edited by hand": {func(w *world) Plan {
			w.spec(mode(v1alpha1.Paused))
			w.rest()
			w.edit(byHand)
			return w.rest()
		}, false},
		"a policy that is wrong": {func(w *world) Plan {
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Objectives = nil })
			return w.rest()
		}, false},
		"a target of no kind": {func(w *world) Plan {
			w.spec(larger)
			w.target = Target{State: TargetKindUnknown}
			return w.rest()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, scheduled("0 5 * * *", time.Hour, 5))
			w.rest()
			if p := tc.do(w); p.Observations.Drifted != tc.want {
				t.Errorf("drifted: %t, state %s, max %d", p.Observations.Drifted, p.Observations.State, w.live.Spec.MaxReplicas)
			}
		})
	}
}

// Of the floors of one kind of owner the oldest counts; a release is as old as its last step.
func TestObservedFloors(t *testing.T) {
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(at.Add(-d)) }
	got := (&decision{}).observe(&v1alpha1.AutoscalingPolicyStatus{
		State: StateEnforced,
		Floors: []v1alpha1.Floor{
			{Owner: "schedule/b", Since: ago(time.Hour)},
			{Owner: "schedule/a", Since: ago(2 * time.Hour)},
			{Owner: "rollout", Since: ago(time.Minute)},
		},
		Release: &v1alpha1.Release{LastStep: ago(time.Second)},
	})
	want := Observations{
		State:  StateEnforced,
		Floors: map[string]int{"schedule": 2, "rollout": 1, "release": 1},
		Since:  map[string]time.Time{"schedule": at.Add(-2 * time.Hour), "rollout": at.Add(-time.Minute), "release": at.Add(-time.Second)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
