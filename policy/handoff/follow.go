package handoff

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Input is what a step is decided from. Nothing in it is changed.
type Input struct {
	Now    time.Time
	Policy *v1alpha1.AutoscalingPolicy
	World  World
	// Size is how many pods are needed, as far as the HPA can tell: what it scales to, and
	// what its metrics ask for. 0 if it cannot tell.
	Size int32
	// Min is the minimum that the HPA has, and the controller of HPAs has seen; 0 if not.
	Min int32
	// OnTarget is the name of the workload that the HPA scales; empty if there is no HPA.
	OnTarget string
	// Rival is the name of an HPA that scales a workload, other than the policy's; empty if
	// there is none.
	Rival func(v1alpha1.TargetReference) string
	// Sync is the HPA controller's period.
	Sync time.Duration
	// Refused is what the API server answered to the Action that these same values led to;
	// empty if nothing was tried. The result then has none.
	Refused string
}

// Result is what a step leads to.
type Result struct {
	State v1alpha1.BlueGreenState
	// Floor is how many pods the HPA has to keep, until Expires; 0 for none.
	Floor   int32
	Expires time.Time
	// Action is the one write to be made, after State was stored; nil for none.
	Action *Action
	// Next is when the result changes if nothing else does; zero for never. Soon: there is
	// more to do right after State was stored.
	Next time.Time
	Soon bool
}

// Step decides what is next. The policy has spec.blueGreen.
//
//	            request                                        endpoints
//	(none) ──► Preflight ─► Prescale ─► Waiting ─► Holding ─► Flipping ─► Retargeting ─► Soaking ─► Retiring ─► Complete
//	   │           │            └── too late, withdrawn ──┘                              ▲
//	   │           ▼                       ▼                                             │
//	   │        Aborted ◄────────────── Reverting                                        │
//	   └── somebody else changed the selector ───────────────────────────────────────────┘
//
// The way back is a switch in the other direction. As long as both have their size, its
// first phases have nothing to wait for; it asks for no headroom.
func Step(in Input) Result {
	s := step{Input: in, spec: in.Policy.Spec.BlueGreen, now: metav1.NewTime(in.Now.UTC().Truncate(time.Second))}
	if in.Policy.Status.BlueGreen != nil {
		s.state = *in.Policy.Status.BlueGreen.DeepCopy()
	}
	s.run()
	s.hold()
	return Result{State: s.state, Floor: s.floor, Expires: s.expires, Action: s.action, Next: s.next, Soon: s.soon}
}

// step is one call of Step.
type step struct {
	Input
	spec    *v1alpha1.BlueGreen
	now     metav1.Time
	state   v1alpha1.BlueGreenState
	floor   int32
	expires time.Time
	action  *Action
	next    time.Time
	soon    bool
}

func (s *step) run() {
	names := []string{s.World.First.Ref.Name, s.World.Other.Ref.Name}
	if known := s.state.Serving; known != names[0] && known != names[1] { // never seen, or the spec names others now
		s.state = v1alpha1.BlueGreenState{Serving: names[0]}
		if serving, _ := s.World.Serving(s.spec.Service); serving != "" {
			s.state.Serving = serving
		}
	}
	s.restoreTimes()
	s.forget(names)
	serving, doubt := s.World.Serving(s.spec.Service)
	s.state.Doubt = doubt
	if serving != "" && serving != s.state.Serving && !s.flippedByUs(serving) {
		s.observed(serving)
	}
	if s.spec.Mode != v1alpha1.Managed {
		s.letGo()
	} else if s.request() {
		return
	}
	switch {
	case s.managing():
		s.phase()
		s.refusal()
	case s.underWay():
		s.soak()
	}
}

// forget ends a switch of which the policy names only one workload by now: what has another
// name is not ours to scale any more.
func (s *step) forget(names []string) {
	w := s.state.Switch
	if !s.underWay() {
		return
	}
	for _, name := range []string{w.From, w.To} {
		if slices.Contains(names, name) {
			continue
		}
		end := v1alpha1.Aborted
		if w.Flipped != nil {
			end = v1alpha1.Complete
		}
		s.enter(end, fmt.Sprintf("the policy does not name %s any more, which keeps the pods that it has", name))
		return
	}
}

// restoreTimes takes times ahead of the clock, which was put back, for now.
func (s *step) restoreTimes() {
	w := s.state.Switch
	if w == nil {
		return
	}
	for _, t := range []*metav1.Time{&w.Since, &w.Started, w.Flipped} {
		if t != nil && t.After(s.now.Time) {
			*t = s.now
		}
	}
}

// underWay says whether a switch is.
func (s *step) underWay() bool {
	w := s.state.Switch
	return w != nil && !w.Phase.Over()
}

// managing says whether a managed switch is under way.
func (s *step) managing() bool { return s.state.Managing() != nil }

// flippedByUs says whether that the Service selects a workload is our own doing, and the
// switch has yet to see it.
func (s *step) flippedByUs(serving string) bool {
	w := s.state.Switch
	return s.managing() && w.To == serving && (w.Phase == v1alpha1.Flipping || w.Phase == v1alpha1.Retargeting)
}

// observed is a switch that somebody else has made: the HPA goes along, with the size that
// the last one had.
func (s *step) observed(serving string) {
	size := max(s.need(s.World.Workload(s.state.Serving)), 1)
	if w := s.state.Switch; s.underWay() && w.To == serving {
		size = max(size, w.Size) // somebody was faster than we
	}
	s.state.Switch = &v1alpha1.Switch{
		From: s.state.Serving, To: serving, Phase: v1alpha1.Soaking, Since: s.now, Started: s.now, Flipped: ptr.To(s.now),
		Needed: size, Size: min(size, s.Policy.Spec.Replicas.Max),
	}
	s.state.Serving = serving
	s.state.Handled = Request(s.Policy) // whoever did it has the last word
}

// need is how many pods the load needs, by what serves it and what the HPA says.
func (s *step) need(from *Workload) int32 {
	return max(from.Size, from.Available, min(s.Size, s.Policy.Spec.Replicas.Max))
}

// soak ends an observed switch. What served before is not ours to scale.
func (s *step) soak() {
	if ends := s.state.Switch.Flipped.Add(s.soakTime()); s.reached(ends) {
		s.enter(v1alpha1.Complete, "")
	}
}

// letGo ends a managed switch of a policy that is Observed by now: nothing is undone,
// for there is no mandate for that either.
func (s *step) letGo() {
	w := s.state.Switch
	s.state.Handled = ""
	switch {
	case !s.managing():
	case s.state.Serving == w.To:
		w.Managed = false
	default:
		s.enter(v1alpha1.Aborted, "the mode is Observed now; what was done so far stays")
	}
}

// request begins a switch that is asked for, and says so; or takes one back.
func (s *step) request() (begun bool) {
	asked := Request(s.Policy)
	w := s.state.Switch
	switch to := s.spec.Active; {
	case to == "":
	case s.managing() && to == w.From && s.state.Serving == w.From:
		if w.Phase != v1alpha1.Reverting && !s.World.Service.Serves(s.World.Workload(w.To)) {
			w.Request = asked // so that to ask once more is another request
			s.enter(v1alpha1.Reverting, "it was taken back")
		}
	case s.managing() && (to != w.From || w.Phase == v1alpha1.Retargeting):
	case !s.managing() && to == s.state.Serving:
		s.state.Handled = asked
	case !s.managing() && asked == s.state.Handled:
	default:
		next := &v1alpha1.Switch{From: s.state.Serving, To: to, Managed: true, Request: asked, Phase: v1alpha1.Preflight, Since: s.now, Started: s.now}
		if s.underWay() && to == w.From {
			next.Needed, next.Size, next.Back = w.Needed, min(w.Needed, s.Policy.Spec.Replicas.Max), ptr.To(w.Size)
		}
		s.state.Switch = next
		s.soon = true
		return true
	}
	return false
}

// enter changes the phase. What is done in it is done after that was stored.
func (s *step) enter(p v1alpha1.SwitchPhase, message string) {
	w := s.state.Switch
	w.Phase, w.Since, w.Message = p, s.now, message
	s.action, s.soon = nil, true
	if !s.underWay() {
		s.soon = false
		if w.Managed {
			s.state.Handled = w.Request
		}
	}
}

// hold keeps the size of what serves from when the other one is brought to it until the
// soak is over.
func (s *step) hold() {
	w := s.state.Switch
	if !s.underWay() {
		return
	}
	switch w.Phase {
	case v1alpha1.Prescale, v1alpha1.Waiting, v1alpha1.Holding, v1alpha1.Flipping, v1alpha1.Retargeting:
		s.floor = min(max(w.Needed, ptr.Deref(w.Back, 0)), s.Policy.Spec.Replicas.Max)
		s.expires = w.Started.Add(s.timeout() + s.soakTime())
	case v1alpha1.Soaking, v1alpha1.Retiring:
		s.floor, s.expires = w.Size, w.Flipped.Add(s.soakTime())
	default:
		return
	}
	if s.reached(s.expires) {
		s.floor = 0
	}
}

// reached says whether a time has come, and notes it where it has not.
func (s *step) reached(t time.Time) bool {
	if !s.now.Time.Before(t) {
		return true
	}
	if s.next.IsZero() || t.Before(s.next) {
		s.next = t
	}
	return false
}
