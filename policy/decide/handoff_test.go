package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/rollout"
)

// side is one of two workloads that take turns.
func side(t v1alpha1.TargetReference, uid string, size int32) handoff.Workload {
	of := map[string]string{"app": "web", "colour": t.Name}
	return handoff.Workload{
		Ref: t, Found: true, Labels: of, Selector: labels.SelectorFromSet(of),
		View: rollout.View{UID: types.UID("u-" + uid), Revision: "r", Size: size, Updated: size, Available: size, Observed: true},
	}
}

// twoColours is a policy whose target takes turns with web-2.
func twoColours(t *testing.T, edit ...func(*v1alpha1.AutoscalingPolicy)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*v1alpha1.AutoscalingPolicy){func(p *v1alpha1.AutoscalingPolicy) {
		other := p.Spec.TargetRef
		other.Name = "web-2"
		p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: other}
	}}, edit...)...)
	first, other := side(w.policy.Spec.TargetRef, "1", 5), side(w.policy.Spec.BlueGreen.OtherRef, "2", 1)
	w.size = 5
	w.handoff = &handoff.World{
		Service: handoff.Service{Found: true, ResourceVersion: "1", Selector: map[string]string{"app": "web", "colour": first.Ref.Name}},
		First:   first, Other: other,
	}
	return w
}

// Whoever changes the selector, the HPA goes along in one write, with the size that it had.
func TestFollowsTheService(t *testing.T) {
	w := twoColours(t)
	w.rest()
	type state struct {
		On        string
		Min       int32
		Condition string
	}
	now := func() state {
		return state{w.live.Spec.ScaleTargetRef.Name, w.min(), w.condition(v1alpha1.Switching)}
	}
	if diff := cmp.Diff(state{w.policy.Spec.TargetRef.Name, 2, "False NoSwitch"}, now()); diff != "" {
		t.Error(diff)
	}
	n := len(w.writes)
	w.handoff.Service.Selector = map[string]string{"app": "web", "colour": "web-2"}
	w.turn()
	if diff := cmp.Diff(state{"web-2", 5, "True Soaking"}, now()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"intent", "Apply", "status"}, w.writes[n:]); diff != "" {
		t.Errorf("the writes: %s", diff)
	}
	if !w.happened(EventRetargeted) || !w.happened(EventSwitched) {
		t.Errorf("events: %v", w.events)
	}
	w.handoff.Other.Size, w.handoff.Other.Available, w.handoff.Other.Updated = 5, 5, 5
	w.pass(9 * time.Minute)
	if w.min() != 5 {
		t.Errorf("min %d while it soaks", w.min())
	}
	w.pass(20 * time.Minute)
	if diff := cmp.Diff(state{"web-2", 2, "False Complete"}, now()); diff != "" {
		t.Error(diff)
	}
	// It is the status that says which one serves: a restart, or another mode, changes nothing.
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
	w.rest()
	if diff := cmp.Diff("web-2", w.live.Spec.ScaleTargetRef.Name); diff != "" {
		t.Error(diff)
	}
}

// A killed controller has stored what serves before it moves the HPA, so that it does not
// move it back.
func TestFollowsOnce(t *testing.T) {
	for lost := range 4 {
		w := twoColours(t)
		w.rest()
		w.handoff.Service.Selector = map[string]string{"app": "web", "colour": "web-2"}
		from := len(w.writes)
		w.fail = func(n int) (bool, bool) { return n == from+lost, false }
		w.turn()
		w.fail = nil
		w.handoff.Other.Size, w.handoff.Other.Available, w.handoff.Other.Updated = 5, 5, 5
		w.rest()
		if w.live.Spec.ScaleTargetRef.Name != "web-2" || w.min() != 5 {
			t.Errorf("after a loss of write %d: the HPA is on %s with min %d", lost, w.live.Spec.ScaleTargetRef.Name, w.min())
		}
	}
}

// asksForGreen is a managed switch that is asked for, without headroom.
func asksForGreen(t *testing.T) *world {
	t.Helper()
	w := twoColours(t, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen.Mode, p.Spec.BlueGreen.Active = v1alpha1.Managed, "web-2"
		p.Spec.BlueGreen.HeadroomPercent = ptr.To(int32(0))
	})
	w.handoff.Checks = &handoff.Checks{}
	return w
}

// hands takes turns, carries out what a switch writes, and returns it.
func (w *world) hands() (did []string) {
	w.t.Helper()
	for range 60 {
		w.sync()
		p := w.turn()
		if p.Handoff == nil {
			continue
		}
		if p.Action != nil || p.Intent != nil {
			w.t.Error("a handoff beside a write to the HPA")
		}
		switch p.Handoff.Kind {
		case handoff.Scale:
			did = append(did, "scale "+p.Handoff.Target.Name)
			if p.Handoff.Target.Name == w.live.Spec.ScaleTargetRef.Name {
				w.t.Error("it scales what the HPA scales")
			}
			w.handoff.Other.Size, w.handoff.Other.Available, w.handoff.Other.Updated = p.Handoff.Replicas, p.Handoff.Replicas, p.Handoff.Replicas
		case handoff.Flip:
			did = append(did, "flip")
			if w.live.Spec.ScaleTargetRef.Name != w.policy.Spec.TargetRef.Name || w.min() != 5 {
				w.t.Errorf("flipped with the HPA on %s, min %d", w.live.Spec.ScaleTargetRef.Name, w.min())
			}
			w.handoff.Service.Selector = p.Handoff.Selector
			w.handoff.Checks.Endpoints = map[string]int{"web-2": 5}
		}
	}
	return did
}

// A managed switch writes nothing but the floor to the HPA before the flip, and hands its
// writes out only after the status has them.
func TestManagedPlan(t *testing.T) {
	w := asksForGreen(t)
	if diff := cmp.Diff([]string{"scale web-2", "flip"}, w.hands()); diff != "" {
		t.Error(diff)
	}
	if w.live.Spec.ScaleTargetRef.Name != "web-2" || w.min() != 5 || w.condition(v1alpha1.Switching) != "True Soaking" {
		t.Errorf("the HPA is on %s with min %d, %s", w.live.Spec.ScaleTargetRef.Name, w.min(), w.condition(v1alpha1.Switching))
	}
}

// Before 1.37 no generation says that the HPA controller has seen the minimum: the flip
// waits until a younger status does, or two of its periods are over.
func TestManagedPlanBeforeGenerations(t *testing.T) {
	for name, proof := range map[string]func(*world){
		"a younger status": func(w *world) { w.now, w.size = w.now.Add(2*time.Second), 6 },
		"time":             func(w *world) { w.now = w.now.Add(30 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			w := asksForGreen(t)
			w.old = true
			if diff := cmp.Diff([]string{"scale web-2"}, w.hands()); diff != "" {
				t.Errorf("at first: %s", diff)
			}
			if is := w.condition(v1alpha1.Switching); is != "True Holding" {
				t.Errorf("%s: %s", is, w.message(v1alpha1.Switching))
			}
			proof(w)
			if diff := cmp.Diff([]string{"flip"}, w.hands()); diff != "" {
				t.Errorf("then: %s", diff)
			}
		})
	}
}

// One ReplicationController in the place of another: the new one gets the size, then the
// old one goes, and only then the hold ends.
func TestPredecessor(t *testing.T) {
	rc := func(name string) v1alpha1.TargetReference {
		return v1alpha1.TargetReference{APIVersion: "v1", Kind: "ReplicationController", Name: name}
	}
	w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef = rc("web-v1")
		p.Spec.Rollout = &v1alpha1.Rollout{Predecessor: v1alpha1.ScaleToZero}
	})
	w.size = 4
	w.rollout = &rollout.View{UID: "u-1", Revision: "-", Size: 4, Updated: 4, Available: 4, Observed: true}
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef = rc("web-v2") })
	w.rollout = &rollout.View{UID: "u-2", Revision: "-", Size: 1, Updated: 1, Available: 1, Observed: true}
	old := &handoff.Predecessor{Workload: side(rc("web-v1"), "1", 4), Successor: side(rc("web-v2"), "2", 1)}
	w.turn()
	if s := w.policy.Status.Rollout; w.min() != 4 || s.Predecessor == nil || s.PredecessorUID != "u-1" {
		t.Fatalf("min %d, rollout %+v", w.min(), s)
	}
	w.predecessor = old
	w.pass(time.Minute)
	if p := w.turn(); p.Handoff != nil {
		t.Errorf("%+v while the new one has 1 of 4 pods", p.Handoff)
	}
	w.rollout = &rollout.View{UID: "u-2", Revision: "-", Size: 4, Updated: 4, Available: 4, Observed: true}
	want := &handoff.Action{Kind: handoff.Scale, Target: rc("web-v1"), From: 4, Why: "another one has taken its place"}
	if diff := cmp.Diff(want, w.turn().Handoff); diff != "" {
		t.Error(diff)
	}
	if !w.happened(EventPredecessorRetired) || w.condition(v1alpha1.RollingOut) != "True Progressing" {
		t.Errorf("%s, events %v", w.condition(v1alpha1.RollingOut), w.events)
	}
	old.Size = 0
	w.turn()
	w.predecessor = nil
	if w.condition(v1alpha1.RollingOut) != "True Settling" || w.min() != 4 {
		t.Errorf("%s with min %d", w.condition(v1alpha1.RollingOut), w.min())
	}
	w.pass(20 * time.Minute)
	if w.condition(v1alpha1.RollingOut) != "False Complete" || w.min() != 2 {
		t.Errorf("%s with min %d", w.condition(v1alpha1.RollingOut), w.min())
	}
}

// A dry run names each write of a handoff.
func TestHandoffDryRun(t *testing.T) {
	w := twoColours(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.BlueGreen.Mode = v1alpha1.Managed })
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode, s.BlueGreen.Active = v1alpha1.DryRun, "web-2" })
	w.rest()
	want := []string{"bring web-2 to the size that web has and more, then move the Service web there", "scale web to 0 after the soak"}
	if diff := cmp.Diff(want, w.policy.Status.Plan); diff != "" {
		t.Error(diff)
	}
	w = newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef = v1alpha1.TargetReference{APIVersion: "v1", Kind: "ReplicationController", Name: "web-v1"}
		p.Spec.Rollout = &v1alpha1.Rollout{Predecessor: v1alpha1.ScaleToZero}
	})
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode, s.TargetRef.Name = v1alpha1.DryRun, "web-v2" })
	w.rest()
	if plan := w.policy.Status.Plan; !slices.Contains(plan, "scale the ReplicationController web-v1 to 0 once web-v2 serves without it") {
		t.Errorf("the plan: %q", plan)
	}
}

// What the API server refuses of a handoff is in the condition, sooner than words that change
// with values, and the write is tried again.
func TestHandoffRefused(t *testing.T) {
	w := twoColours(t, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen.Mode, p.Spec.BlueGreen.Active = v1alpha1.Managed, "web-2"
	})
	w.handoff.Checks = &handoff.Checks{}
	var p Plan
	for range 20 {
		if p = w.turn(); p.Handoff != nil {
			break
		}
	}
	s := w.snapshot()
	s.HandoffRefused = "admission webhook denied it"
	again := Decide(s)
	switching := meta.FindStatusCondition(again.Status.Conditions, v1alpha1.Switching)
	if p.Handoff == nil || again.Handoff != nil || again.Next == 0 || switching == nil || !strings.HasSuffix(switching.Message, ": admission webhook denied it") {
		t.Errorf("first %+v, then %+v after %s: %+v", p.Handoff, again.Handoff, again.Next, switching)
	}
}

// That the HPA goes along with the Service again and again is no fight with another writer.
func TestFollowsTheServiceAgainAndAgain(t *testing.T) {
	w := twoColours(t)
	w.rest()
	for i, name := range []string{"web-2", "web", "web-2", "web", "web-2", "web"} {
		if name == "web" {
			name = w.policy.Spec.TargetRef.Name
		}
		w.handoff.Service.Selector = map[string]string{"app": "web", "colour": name}
		w.turn()
		w.pass(time.Minute)
		if on := w.live.Spec.ScaleTargetRef.Name; on != name || w.condition(v1alpha1.Conflict) == "True Fight" {
			t.Errorf("flip %d: the HPA is on %s, the Service on %s, %s", i, on, name, w.condition(v1alpha1.Conflict))
		}
	}
}
