package handoff

import (
	"fmt"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// retarget moves the HPA once the Service's endpoints are those of the other workload.
func (s *step) retarget(to *Workload) {
	w := s.state.Switch
	moved := s.World.Checks != nil && s.World.Checks.Endpoints[w.To] > 0 && s.World.Checks.Endpoints[w.From] == 0
	if !moved && !s.reached(w.Since.Add(endpointSyncs*s.Sync)) {
		w.Message = "waits for the endpoints of the Service"
		return
	}
	s.state.Serving = w.To
	s.enter(v1alpha1.Soaking, "")
}

// soakManaged keeps both until the soak is over and what serves is whole.
func (s *step) soakManaged(to *Workload) {
	w := s.state.Switch
	switch {
	case !s.reached(w.Flipped.Add(s.soakTime())):
	case s.spec.Retire == v1alpha1.Keep:
		s.enter(v1alpha1.Complete, "")
	case !to.Observed || to.Available < to.Size:
		w.Message = fmt.Sprintf("%s is kept, for %d of %d pods of %s serve", w.From, to.Available, to.Size, w.To)
	default:
		s.enter(v1alpha1.Retiring, "")
	}
}

// retire scales to 0 what served before, if the Service still selects the other workload,
// and the HPA scales that.
func (s *step) retire(from, to *Workload) {
	w := s.state.Switch
	switch c := s.World.Checks; {
	case !from.Found || from.Size == 0 || s.spec.Retire == v1alpha1.Keep:
		s.enter(v1alpha1.Complete, "")
	case c == nil:
		w.Message = "waits for what the cluster says"
	case c.Forbidden:
		s.enter(v1alpha1.Complete, fmt.Sprintf("%s keeps its %d pods: %s", w.From, from.Size, c.Failed))
	case c.Failed != "":
		w.Message = c.Failed
	case s.Rival(from.Ref) != "":
		w.Message = fmt.Sprintf("the HPA %s scales %s: delete it", s.Rival(from.Ref), w.From)
	case !s.World.Service.Serves(to) || s.World.Service.Serves(from) || s.OnTarget != w.To || to.Available < to.Size:
		w.Message = fmt.Sprintf("%s is kept until the Service and the HPA are at %s, and its pods serve", w.From, w.To)
	default:
		s.action = &Action{Kind: Scale, Target: from.Ref, From: from.Size, Replicas: 0, Why: "it serves no longer"}
	}
}

// revert gives the other workload back the size that it had, unless somebody else has made
// it larger since, or the Service has come to select it. A size in between is ours as well:
// one that grew may have been stored, and not written.
func (s *step) revert(to *Workload) {
	w := s.state.Switch
	ours := to.Found && w.Before != nil && *w.Before < to.Size && to.Size <= w.Size
	switch c := s.World.Checks; {
	case !ours || s.World.Service.Serves(to) || s.OnTarget == w.To:
		why := w.Message
		if w.Back != nil && to.Size > 0 { // the switch before it, and its end of what served, went with it
			why = fmt.Sprintf("%s; %s keeps its %d pods", why, to.Ref.Name, to.Size)
		}
		s.enter(v1alpha1.Aborted, why)
	case c == nil || c.Failed != "":
		if s.reached(w.Since.Add(s.timeout())) || c != nil && c.Forbidden {
			s.enter(v1alpha1.Aborted, w.Message)
		}
	default:
		s.action = &Action{Kind: Scale, Target: to.Ref, From: to.Size, Replicas: *w.Before, Why: "the switch was given up"}
	}
}

// refusal puts the API server's words in the place of the write that it refused, and ends
// what has waited for that for long enough.
func (s *step) refusal() {
	a := s.action
	if s.Refused == "" || a == nil {
		return
	}
	s.action = nil
	w := s.state.Switch
	keeps := fmt.Sprintf("%s keeps its %d pods: %s", a.Target.Name, a.From, s.Refused)
	switch over := s.reached(w.Since.Add(s.timeout())); {
	case w.Phase == v1alpha1.Retiring && over:
		s.enter(v1alpha1.Complete, keeps)
	case w.Phase == v1alpha1.Reverting && over:
		s.enter(v1alpha1.Aborted, w.Message+"; "+keeps)
	case w.Phase == v1alpha1.Reverting: // why it was given up stays
	case w.Phase == v1alpha1.Retiring:
		w.Message = s.Refused
	default:
		w.Message = s.Refused
		s.tooLate(w.Message)
	}
}
