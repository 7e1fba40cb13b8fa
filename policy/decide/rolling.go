package decide

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
)

// Reasons of RollingOut. While a rollout is on its way they are its phase.
const (
	// AtRest (False): the target has no pods of another revision.
	AtRest = "Complete"
	// NotWatched (Unknown): nobody looks: rollout.scaleIn is Allow, or the target is of a kind whose pods are not watched.
	NotWatched = "NotWatched"
	// TargetUnseen (Unknown): the target is not there, or not seen yet.
	TargetUnseen = "TargetNotSeen"
	// Unmetered (True): no pod of the new revision has a metric of the policy. Undo it, or see what it exports.
	Unmetered = "NewRevisionUnmetered"
)

const notWatchedFor = "the pods of a %s are not watched: only those of the kinds of Kubernetes itself are"

// rollingOut is about the rollout of the target.
func (d *decision) rollingOut(s *v1alpha1.AutoscalingPolicyStatus) metav1.Condition {
	c := condition(v1alpha1.RollingOut, metav1.ConditionFalse, AtRest, "the target has no pods of another revision")
	if d.floors == nil || d.Policy.Spec.Mode == v1alpha1.DryRun {
		if old := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.RollingOut); old != nil {
			return *old
		}
	}
	switch r := s.Rollout; {
	case r == nil && d.Policy.Spec.Rollout != nil && d.Policy.Spec.Rollout.ScaleIn == v1alpha1.Allow:
		return condition(c.Type, metav1.ConditionUnknown, NotWatched, "rollout.scaleIn is Allow: nobody looks")
	case d.Rollout == nil && !floor.RollsOut(d.Policy.Scaled()):
		return condition(c.Type, metav1.ConditionUnknown, NotWatched, fmt.Sprintf(notWatchedFor, d.Policy.Scaled().Kind))
	case d.Rollout == nil || r == nil:
		return condition(c.Type, metav1.ConditionUnknown, TargetUnseen, "the target is not there, or not seen yet")
	case r.Phase != "":
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, string(r.Phase), d.rolloutText(s)
		if d.noticed(r) && r.Phase != v1alpha1.GivenUp {
			c.Reason = Unmetered
		}
	}
	return c
}

// rolloutText says how far a rollout is and what it holds.
func (d *decision) rolloutText(s *v1alpha1.AutoscalingPolicyStatus) string {
	text := d.Rollout.Progress()
	if r := s.Rollout; r.Phase == v1alpha1.Stalled && d.Rollout.Waits == "" && r.ProgressedAt != nil {
		text += fmt.Sprintf("; no pod has followed since %s: see kubectl describe pod of the last one. To mend the template is not enough, that pod has to be deleted, too", floor.Local(r.ProgressedAt.UTC()))
	}
	if d.noticed(s.Rollout) {
		text += fmt.Sprintf("; no pod of the new revision has %s: see whether it exports that under another name, or undo it", strings.Join(s.Rollout.Unmetered, ", "))
	}
	if s.Rollout.Phase == v1alpha1.GivenUp {
		return text + "; it takes longer than rollout.maxHold, and holds nothing any more"
	}
	for _, f := range s.Floors {
		if f.Owner == floor.RolloutOwner {
			if d.kept != "" {
				text += "; " + d.kept
			} else if p := s.Rollout.Predecessor; p != nil {
				text += fmt.Sprintf("; then the %s %s is scaled to 0", p.Kind, p.Name)
			}
			return fmt.Sprintf("%s; scale-in is held at %d pods until %s at the latest", text, f.Value, floor.Local(f.Expires.UTC()))
		}
	}
	return text
}

// noticed says whether the new revision's pods have been without a metric for longer than
// it takes to read one from them.
func (d *decision) noticed(r *v1alpha1.RolloutState) bool {
	if r.UnmeteredSince == nil {
		return false
	}
	at := r.UnmeteredSince.Add(floor.Settle(d.Settings.MetricWindow, d.Settings.Sync))
	if d.now.Before(at) {
		d.wake(at)
		return false
	}
	return true
}

// rolloutEvents are what a person should hear of a rollout between two statuses.
func (d *decision) rolloutEvents(now *v1alpha1.AutoscalingPolicyStatus) []Event {
	var was, is v1alpha1.RolloutState
	if d.stored.Rollout != nil {
		was = *d.stored.Rollout
	}
	if now.Rollout != nil {
		is = *now.Rollout
	}
	if d.Rollout == nil {
		return nil
	}
	if said := reasonOf(d.stored, v1alpha1.RollingOut); said != Unmetered && reasonOf(now, v1alpha1.RollingOut) == Unmetered {
		return []Event{{Warning: true, Reason: EventUnmetered, Message: fmt.Sprintf("%s %s: %s", d.Policy.Scaled().Kind, d.Policy.Scaled().Name, d.rolloutText(now))}}
	}
	if was.Phase == is.Phase && was.Revision == is.Revision {
		return nil
	}
	e := Event{Message: fmt.Sprintf("%s %s: %s", d.Policy.Scaled().Kind, d.Policy.Scaled().Name, d.rolloutText(now))}
	switch {
	case is.Phase == v1alpha1.Progressing && was.Phase == v1alpha1.Stalled && was.Revision == is.Revision:
		return nil // it goes on, as it was said to
	case is.Phase == v1alpha1.Progressing:
		e.Reason = EventRolloutHeld
	case is.Phase == v1alpha1.Stalled:
		e.Reason, e.Warning = EventRolloutStalled, d.Rollout.Failed
	case is.Phase == v1alpha1.GivenUp:
		e.Reason, e.Warning = EventRolloutGivenUp, true
	case is.Phase == v1alpha1.Settling:
		e.Reason = EventRolloutComplete
	default:
		return nil
	}
	return []Event{e}
}
