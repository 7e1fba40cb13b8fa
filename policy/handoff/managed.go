package handoff

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// AllowAnnotation on a Service or a workload has a managed switch go ahead although
// somebody else seems to write the selector or the replicas again and again. Its value is
// the reason.
const AllowAnnotation = "loadline.dev/allow-switch"

// endpointSyncs is for how many periods of the HPA controller a switch waits for the
// Service's endpoints before it moves the HPA all the same: the selector is what decides.
const endpointSyncs = 4

// phase does what the phase of a managed switch is for, or goes on to the next one.
func (s *step) phase() {
	w := s.state.Switch
	from, to := s.World.Workload(w.From), s.World.Workload(w.To)
	switch w.Phase {
	case v1alpha1.Preflight, v1alpha1.Prescale, v1alpha1.Waiting, v1alpha1.Holding, v1alpha1.Flipping:
		if s.World.Service.Serves(to) && !s.World.Service.Serves(from) {
			w.Flipped = ptr.To(s.now)
			s.enter(v1alpha1.Retargeting, "")
			return
		}
		if s.World.Checks == nil {
			w.Message = "waits for what the cluster says"
			return
		}
		if why := s.refused(from, to); why != "" {
			s.giveUp(why)
			return
		}
		if s.World.Checks.Failed != "" { // it may pass
			w.Message = s.World.Checks.Failed
			s.tooLate(w.Message)
			return
		}
	}
	switch w.Phase {
	case v1alpha1.Preflight:
		w.Before = ptr.To(to.Size)
		s.ratchet(from)
		why := s.crowded(to)
		if to.Failed && w.Back == nil {
			why = to.Ref.Name + " is rolled out, and " + to.Waits
		}
		if why != "" {
			s.giveUp(why)
			return
		}
		_, why = s.ready(from, to)
		s.enter(v1alpha1.Prescale, cmp.Or(s.unprotected(to), why))
	case v1alpha1.Prescale, v1alpha1.Waiting:
		s.prepare(from, to)
	case v1alpha1.Holding:
		s.confirm(from, to)
	case v1alpha1.Flipping:
		s.flip(from, to)
	case v1alpha1.Retargeting:
		s.retarget(to)
	case v1alpha1.Soaking:
		s.soakManaged(to)
	case v1alpha1.Retiring:
		s.retire(from, to)
	case v1alpha1.Reverting:
		s.revert(to)
	}
}

// refused says why the switch cannot be made; empty if it can, as far as is known.
func (s *step) refused(from, to *Workload) string {
	c, service := s.World.Checks, s.spec.Service
	selector, missing := s.World.Service.selectorFor(to)
	named := func(w *Workload) string { return w.Ref.Kind + " " + w.Ref.Name }
	switch {
	case c.Forbidden:
		return c.Failed + ": bind the ClusterRole loadline-policy-switch in this namespace, or use mode Observed"
	case !s.World.Service.Found:
		return "there is no Service " + service
	case !to.Found:
		return "there is no " + named(to)
	case !s.World.Service.Serves(from):
		return fmt.Sprintf("the Service %s does not select the pods of %s", service, named(from))
	case missing != "":
		return fmt.Sprintf("the Service %s selects by the label %s, which the pods of %s do not have", service, missing, named(to))
	case (&Service{Found: true, Selector: selector}).Serves(from):
		return fmt.Sprintf("the selector of the Service %s has no label by which the pods of %s and %s differ", service, named(from), named(to))
	case to.Selector.Matches(set(from.Labels)) || from.Selector.Matches(set(to.Labels)):
		return fmt.Sprintf("the selectors of %s and %s overlap, so that each counts the other's pods as its own", named(from), named(to))
	case s.Rival(to.Ref) != "":
		return fmt.Sprintf("the HPA %s scales %s: delete it", s.Rival(to.Ref), named(to))
	case c.ServiceOwner != "":
		return fmt.Sprintf("%s writes the selector of the Service %s, and would undo the switch: change it there with mode Observed, or annotate the Service with %s and a reason", c.ServiceOwner, service, AllowAnnotation)
	case c.ReplicasOwner != "":
		return fmt.Sprintf("%s writes the replicas of %s, and would undo the prescaling: leave replicas out there, use mode Observed, or annotate it with %s and a reason", c.ReplicasOwner, named(to), AllowAnnotation)
	case from.Size > s.Policy.Spec.Replicas.Max:
		return fmt.Sprintf("%s has %d pods, and replicas.max is %d, which is all that %s may get", named(from), from.Size, s.Policy.Spec.Replicas.Max, named(to))
	}
	return ""
}

// crowded says why the quotas of the namespace have no room for the workload beside the one
// that serves; empty if they have, as far as is known.
func (s *step) crowded(to *Workload) string {
	room, more := s.World.Checks.Room, s.state.Switch.Size-to.Size
	if room == nil || room.Pods >= more {
		return ""
	}
	return fmt.Sprintf("%s needs %d pods more, each with %s of %s, and the ResourceQuota %s has %s left: raise it for the time of the switch, then ask again with kubectl loadline switch",
		to.Ref.Name, more, room.Each.String(), room.Entry, room.Quota, room.Left.String())
}

// unprotected warns of evictions after the switch: no reason not to make it.
func (s *step) unprotected(to *Workload) string {
	budget := s.World.Checks.Unprotected
	if budget == "" {
		return ""
	}
	return fmt.Sprintf("the PodDisruptionBudget %s is for the pods that serve now, and none is for those of %s: a drained node may take all of them", budget, to.Ref.Name)
}

// giveUp ends a switch before the Service is touched.
func (s *step) giveUp(why string) {
	if s.state.Switch.Phase == v1alpha1.Preflight {
		s.enter(v1alpha1.Aborted, why)
		return
	}
	s.enter(v1alpha1.Reverting, why)
}

// tooLate gives up once the time is over, and says whether it did.
func (s *step) tooLate(why string) bool {
	if !s.reached(s.state.Switch.Started.Add(s.timeout())) {
		return false
	}
	s.giveUp(fmt.Sprintf("not within %s: %s", s.timeout(), why))
	return true
}

// ratchet brings the size up to what the load needs by now; never down, and never by what
// the other workload says.
func (s *step) ratchet(from *Workload) {
	w, most := s.state.Switch, s.Policy.Spec.Replicas.Max
	need := s.need(from)
	if w.Back != nil {
		if need > *w.Back {
			w.Needed = max(w.Needed, need)
		}
		w.Size = max(w.Size, min(w.Needed, most))
		return
	}
	w.Needed = max(w.Needed, need, 1)
	w.Size = max(w.Size, min(s.headroom(w.Needed), most))
}

// ready says whether a workload could serve; or why not: with its newest revision, for that
// is what people want to have, but for the way back. Where nothing serves at all, anything
// that does is better.
func (s *step) ready(from, to *Workload) (ok bool, why string) {
	size := s.state.Switch.Size
	switch {
	case from.Available == 0 && to.Available > 0:
		return true, ""
	case !to.Observed || to.Available < size:
		return false, fmt.Sprintf("%d of %d pods of %s serve", to.Available, size, to.Ref.Name)
	case s.state.Switch.Back == nil && (to.Old > 0 || to.Updated < size):
		return false, fmt.Sprintf("%d of %d pods of %s are of its newest revision", min(to.Updated, size), size, to.Ref.Name)
	case len(s.World.Checks.Unmetered) > 0:
		return false, fmt.Sprintf("the pods of %s do not export %s", to.Ref.Name, strings.Join(s.World.Checks.Unmetered, ", "))
	}
	return true, ""
}

// prepare brings the other workload to the size, and waits until it serves.
func (s *step) prepare(from, to *Workload) {
	w := s.state.Switch
	stored := w.Size
	s.ratchet(from)
	ok, why := s.ready(from, to)
	late := why
	if to.Size < w.Size {
		late = cmp.Or(w.Message, why) // it may be why it could not be scaled
	}
	switch {
	case ok:
		s.enter(v1alpha1.Holding, "")
	case s.tooLate(late):
	case to.Size >= w.Size && w.Phase == v1alpha1.Prescale:
		s.enter(v1alpha1.Waiting, why)
	case to.Size >= w.Size:
		w.Message = why
	case w.Phase == v1alpha1.Waiting:
		s.enter(v1alpha1.Prescale, why)
	case w.Size > stored:
		s.soon = true // a size is stored before it is written
	default:
		s.action = &Action{Kind: Scale, Target: to.Ref, From: to.Size, Replicas: w.Size, Why: "it is to serve"}
	}
}

// confirm waits until the HPA holds what serves now, as the controller of HPAs has seen.
func (s *step) confirm(from, to *Workload) {
	s.ratchet(from)
	w := s.state.Switch
	ok, why := s.ready(from, to)
	switch held := min(w.Needed, s.Policy.Spec.Replicas.Max); {
	case !ok:
		s.enter(v1alpha1.Waiting, why)
	case s.Min >= held || s.OnTarget != w.From:
		s.enter(v1alpha1.Flipping, "")
	default:
		w.Message = fmt.Sprintf("the HPA has yet to see its minimum of %d", held)
		s.tooLate(w.Message)
	}
}

// flip changes the Service's selector, if the other workload could still serve.
func (s *step) flip(from, to *Workload) {
	if ok, why := s.ready(from, to); !ok {
		s.enter(v1alpha1.Waiting, why)
		return
	}
	if s.tooLate(cmp.Or(s.state.Switch.Message, "the selector of the Service could not be changed")) {
		return
	}
	selector, _ := s.World.Service.selectorFor(to)
	s.action = &Action{Kind: Flip, Service: s.spec.Service, Selector: selector, ResourceVersion: s.World.Service.ResourceVersion, Why: "the other workload is ready"}
}
