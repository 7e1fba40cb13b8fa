package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/rollout"
)

func at4(revision string, edit ...func(*rollout.View)) *rollout.View {
	v := &rollout.View{UID: "u", Revision: revision, Size: 4, Observed: true, Updated: 4, Available: 4}
	for _, e := range edit {
		e(v)
	}
	return v
}

func halfway(v *rollout.View) { v.Updated, v.Old = 2, 2 }
func late(v *rollout.View) {
	v.Updated, v.Old, v.Failed, v.Waits = 2, 2, true, "it is past its progress deadline"
}

// A rollout from beginning to end: what the HPA, the conditions and the Events say.
func TestRollout(t *testing.T) {
	w := newWorld(t)
	w.rollout = at4("a")
	w.pass(10 * time.Minute)
	if w.min() != 2 || w.condition(v1alpha1.RollingOut) != "False Complete" {
		t.Fatalf("at rest: min %d, %s", w.min(), w.condition(v1alpha1.RollingOut))
	}
	n := len(w.writes)
	w.pass(3 * time.Hour)
	if len(w.writes) != n {
		t.Fatalf("at rest it writes %v", w.writes[n:])
	}

	w.rollout = at4("b", halfway)
	w.rest()
	if w.min() != 4 || w.condition(v1alpha1.RollingOut) != "True Progressing" || w.condition(v1alpha1.Held) != "True Rollout" {
		t.Fatalf("begun: min %d, %s, %s", w.min(), w.condition(v1alpha1.RollingOut), w.condition(v1alpha1.Held))
	}
	if got, want := w.message(v1alpha1.RollingOut), "2 of 4 pods are updated, 4 serve, 2 are old; scale-in is held at 4 pods until 2026-03-04 09:16 UTC at the latest"; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
	if got, want := w.message(v1alpha1.Held), "min 4 while a new revision is rolled out, until 2026-03-04 09:16 UTC at the latest"; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
	if got, want := w.writes[n:], []string{"intent", "Apply", "status"}; !slices.Equal(got, want) {
		t.Errorf("writes %v, want %v: why comes before what", got, want)
	}

	w.rollout = at4("b", late)
	w.pass(20 * time.Minute)
	if w.min() != 4 || w.condition(v1alpha1.RollingOut) != "True Stalled" || !strings.Contains(w.message(v1alpha1.RollingOut), "past its progress deadline") {
		t.Fatalf("late: min %d, %s", w.min(), w.message(v1alpha1.RollingOut))
	}

	w.rollout = at4("b")
	w.rest()
	if w.min() != 4 || w.condition(v1alpha1.RollingOut) != "True Settling" {
		t.Fatalf("complete: min %d, %s", w.min(), w.condition(v1alpha1.RollingOut))
	}
	w.pass(time.Minute)
	if w.min() != 4 || w.condition(v1alpha1.RollingOut) != "False Complete" || w.condition(v1alpha1.Held) != "True Releasing" {
		t.Fatalf("settled: min %d, %s, %s", w.min(), w.condition(v1alpha1.RollingOut), w.condition(v1alpha1.Held))
	}
	w.pass(10 * time.Minute)
	if w.min() != 2 || w.condition(v1alpha1.Held) != "False NotHeld" {
		t.Fatalf("released: min %d, %s", w.min(), w.condition(v1alpha1.Held))
	}
	for _, want := range []string{EventRolloutHeld, EventRolloutStalled, EventRolloutComplete, EventFloorReleased} {
		if i := slices.Index(w.events, want); i < 0 || slices.Contains(w.events[i+1:], want) {
			t.Errorf("Event %s not once in %v", want, w.events)
		}
	}
}

// The hold ends at its time, and says so once.
func TestRolloutGivenUp(t *testing.T) {
	w := newWorld(t)
	w.rollout = at4("a")
	w.rest()
	w.rollout = at4("b", halfway)
	w.pass(59 * time.Minute)
	if w.min() != 4 {
		t.Fatalf("min %d", w.min())
	}
	w.pass(20 * time.Minute)
	if w.min() != 2 || w.condition(v1alpha1.RollingOut) != "True GivenUp" || !w.happened(EventRolloutGivenUp) {
		t.Fatalf("min %d, %s, %v", w.min(), w.condition(v1alpha1.RollingOut), w.events)
	}
	n := len(w.writes)
	w.pass(10 * time.Hour)
	if len(w.writes) != n {
		t.Errorf("given up, it writes %v", w.writes[n:])
	}
}

// What is not watched is said not to be.
func TestRolloutNotWatched(t *testing.T) {
	allow := func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Allow} }
	controller := func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef.APIVersion, p.Spec.TargetRef.Kind = "example.com/v1", "Pool"
	}
	for name, tt := range map[string]struct {
		edit func(*v1alpha1.AutoscalingPolicy)
		view *rollout.View
		want string
	}{
		"scaleIn Allow": {allow, at4("b", halfway), "Unknown NotWatched"},
		"another kind":  {controller, nil, "Unknown NotWatched"},
		"not there":     {func(*v1alpha1.AutoscalingPolicy) {}, nil, "Unknown TargetNotSeen"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.edit)
			w.rollout = tt.view
			w.rest()
			if got := w.condition(v1alpha1.RollingOut); got != tt.want || w.min() != 2 {
				t.Errorf("%s, min %d, want %s", got, w.min(), tt.want)
			}
		})
	}
}

// A policy that names another target carries the size along: in one write the HPA has
// the new target and the minimum that the old one needs.
func TestRetargetCarriesTheSize(t *testing.T) {
	w := newWorld(t)
	w.size, w.rollout = 5, at4("a")
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef.Name = "web2" })
	w.rollout = at4("a", func(v *rollout.View) { v.UID, v.Size, v.Updated, v.Available = "u2", 1, 1, 1 })
	n := len(w.writes)
	w.turn()
	if w.min() != 5 || w.live.Spec.ScaleTargetRef.Name != "web2" || w.count(string(Apply), n) != 1 {
		t.Fatalf("min %d of %s after %v", w.min(), w.live.Spec.ScaleTargetRef.Name, w.writes[n:])
	}
	w.size = 5
	w.rollout = at4("a", func(v *rollout.View) { v.UID, v.Size, v.Updated, v.Available = "u2", 5, 5, 2 })
	w.pass(10 * time.Minute)
	if w.min() != 5 {
		t.Fatalf("min %d while only 2 pods serve", w.min())
	}
	w.rollout = at4("a", func(v *rollout.View) { v.UID, v.Size, v.Updated, v.Available = "u2", 5, 5, 5 })
	w.pass(10 * time.Minute)
	if w.min() != 2 {
		t.Errorf("min %d in the end", w.min())
	}
}

// A write for a hold does not meet the HPA's decision to scale to 0.
func TestRolloutHoldNearZero(t *testing.T) {
	w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas.Min, p.Spec.Profile = 0, v1alpha1.Responsive
		p.Spec.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("10")}}}
	})
	w.size, w.rollout = 3, at4("a")
	w.rest()
	// 50 % of 2 leaves 1, of 3 leaves 1: from 1 it can go to 0.
	w.size, w.rollout = 1, at4("b", halfway, func(v *rollout.View) { v.Size = 1 })
	w.rest()
	if w.min() != 0 {
		t.Errorf("min %d written at 1 pod", w.min())
	}
	w.size, w.rollout = 4, at4("c", halfway)
	w.rest()
	if w.min() != 4 {
		t.Errorf("min %d at 4 pods", w.min())
	}
}

// A size below a minimum that the HPA has seen is noticed, and that it is over is said.
func TestBelowTheFloor(t *testing.T) {
	w := newWorld(t)
	size := func(n int32) {
		w.size = n
		w.rollout = &rollout.View{UID: "u", Revision: "a", Size: n, Updated: n, Available: n, Observed: true}
	}
	size(5)
	w.rest()
	w.rollout.Revision = "b" // a rollout begins, and holds 5
	w.rest()
	if w.min() != 5 || w.policy.Status.BelowFloorSince != nil {
		t.Fatalf("min %d, below since %v", w.min(), w.policy.Status.BelowFloorSince)
	}
	w.rollout = &rollout.View{UID: "u", Revision: "b", Size: 3, Updated: 3, Available: 3, Observed: true}
	w.turn()
	if w.policy.Status.BelowFloorSince == nil || !strings.Contains(w.message(v1alpha1.Held), "But the target was set to 3") {
		t.Errorf("below since %v: %s", w.policy.Status.BelowFloorSince, w.message(v1alpha1.Held))
	}
	w.now = w.now.Add(4 * time.Second)
	w.rollout = &rollout.View{UID: "u", Revision: "b", Size: 5, Updated: 5, Available: 5, Observed: true}
	w.rest()
	if w.policy.Status.BelowFloorSince != nil || !w.happened(EventRestored) {
		t.Errorf("below since %v, events %v", w.policy.Status.BelowFloorSince, w.events)
	}
}

// Before 1.37 a size below a minimum that was just written is nobody's doing: the HPA
// controller looks at it at its next sync.
func TestBelowTheFloorBeforeGenerations(t *testing.T) {
	w := newWorld(t)
	w.old = true
	size := func(n int32) {
		w.size = n
		w.rollout = &rollout.View{UID: "u", Revision: "b", Size: n, Updated: n, Available: n, Observed: true}
	}
	size(5)
	w.rollout.Revision = "a"
	w.rest()
	w.now = w.now.Add(time.Minute)
	size(5) // a rollout begins, and holds 5
	w.turn()
	w.turn()
	size(3) // by what the HPA had decided before
	var p Plan
	for range 3 {
		w.now = w.now.Add(4 * time.Second)
		p = w.turn()
	}
	if w.min() != 5 || w.policy.Status.BelowFloorSince != nil || p.Next == 0 || p.Next > 18*time.Second {
		t.Errorf("min %d, below since %v, next %s", w.min(), w.policy.Status.BelowFloorSince, p.Next)
	}
	w.sync()
	w.turn()
	if w.policy.Status.BelowFloorSince == nil {
		t.Error("below the floor, and a status of the HPA that is younger than it")
	}
}
