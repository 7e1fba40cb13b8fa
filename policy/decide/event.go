package decide

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Reasons of Events on a policy or, where it is gone, on its HPA.
const (
	// EventApplied (Normal): the HPA was made.
	EventApplied = "Applied"
	// EventAdopted (Normal): an HPA that was there was taken over; its spec is kept in an annotation.
	EventAdopted = "Adopted"
	// EventRetargeted (Normal): the HPA scales another target from now on.
	EventRetargeted = "Retargeted"
	// EventMaxLowered (Warning): a lower maximum cuts the size at once; the message has the numbers.
	EventMaxLowered = "MaxLowered"
	// EventFloorRaised (Normal): a schedule, an outage of metrics or a minimum of unknown origin holds the minimum up.
	EventFloorRaised = "FloorRaised"
	// EventFloorReleased (Normal): the minimum is replicas.min again.
	EventFloorReleased = "FloorReleased"
	// EventFallbackEngaged (Warning): metrics cannot be read, and the fallback holds its minimum.
	EventFallbackEngaged = "FallbackEngaged"
	// EventRecovered (Normal): the metrics are back after a fallback.
	EventRecovered = "Recovered"
	// EventConflict (Warning): somebody else scales the target or writes the HPA.
	EventConflict = "Conflict"
	// EventResolved (Normal): nobody does any more.
	EventResolved = "ConflictResolved"
	// EventRefused (Warning): the policy cannot become an HPA, for the reason in Ready.
	EventRefused = "Refused"
	// EventHPAStopped (Warning): the HPA does not scale any more, for the reason in Ready.
	EventHPAStopped = HPAStopped
	// EventScaleRefused (Warning): the HPA cannot write the target's size.
	EventScaleRefused = ScaleRefused
	// EventReleasing (Normal, Warning): the HPA is being let go, step by step; a Warning where that has to wait.
	EventReleasing = "Releasing"
	// EventReleased (Normal): the HPA is no longer Loadline's.
	EventReleased = "Released"
	// EventRolloutHeld (Normal): a rollout has begun, and scale-in is held.
	EventRolloutHeld = "RolloutHeld"
	// EventRolloutStalled (Normal, Warning): a rollout does not go on by itself; a Warning where it has failed.
	EventRolloutStalled = "RolloutStalled"
	// EventRolloutComplete (Normal): all pods are of the new revision; scale-in is held until the metrics are theirs.
	EventRolloutComplete = "RolloutComplete"
	// EventRolloutGivenUp (Warning): a rollout takes longer than rollout.maxHold, and holds nothing any more.
	EventRolloutGivenUp = "RolloutHoldEnded"
	// EventUnmetered (Warning): no pod of the new revision has a metric of the policy.
	EventUnmetered = "NewRevisionUnmetered"
	// EventRestored (Warning): the target was smaller than the minimum in force, and the HPA has brought it back.
	EventRestored = "SizeRestored"
	// EventOverwritten (Warning): the HPA, which had decided before, has written its size over a 0 that somebody had set.
	EventOverwritten = "ZeroOverwritten"

	// EventSwitchBegun (Normal): a switch of the Service was asked for.
	EventSwitchBegun = "SwitchBegun"
	// EventSwitchPrescales (Normal, Warning): the other workload is brought to its size; a Warning where no
	// PodDisruptionBudget protects its pods as one does those that serve.
	EventSwitchPrescales = "SwitchPrescales"
	// EventSwitchFlips (Normal): the Service's selector is changed.
	EventSwitchFlips = "SwitchFlips"
	// EventSwitched (Normal): the Service has gone over, and the HPA keeps the size for a while.
	EventSwitched = "Switched"
	// EventSwitchRetires (Normal): what served before is scaled to 0.
	EventSwitchRetires = "SwitchRetires"
	// EventSwitchReverts (Normal): the switch is given up, and the other workload gets back the size that it had.
	EventSwitchReverts = "SwitchReverts"
	// EventSwitchComplete (Normal): the switch is complete.
	EventSwitchComplete = "SwitchComplete"
	// EventSwitchAborted (Warning): the switch was given up, and the Service not touched.
	EventSwitchAborted = "SwitchAborted"
	// EventPredecessorRetired (Normal): what the target has taken the place of was scaled to 0.
	EventPredecessorRetired = "PredecessorRetired"
)

// events are what a person should hear of between two statuses: changes of a reason,
// never of a message. The status is stored before they are sent, so a restart repeats
// none, and one that is lost was recorded.
func (d *decision) events(now *v1alpha1.AutoscalingPolicyStatus) []Event {
	var out []Event
	say := func(warning bool, reason, message string) {
		out = append(out, Event{Warning: warning, Reason: reason, Message: message})
	}
	target := fmt.Sprintf("%s %s", d.Policy.Scaled().Kind, d.Policy.Scaled().Name)
	if a := d.action; a != nil && a.Kind == Apply {
		switch {
		case d.adopt:
			say(false, EventAdopted, fmt.Sprintf("took over the HPA %s; its spec is kept in the annotation %s. %s", a.HPA.Name, SavedAnnotation, d.fate()))
		case d.Live == nil:
			say(false, EventApplied, fmt.Sprintf("made the HPA %s for the %s", a.HPA.Name, target))
		case a.Retargets:
			old := d.Live.Spec.ScaleTargetRef
			say(false, EventRetargeted, fmt.Sprintf("the HPA %s scales the %s from now on, no longer the %s %s", a.HPA.Name, target, old.Kind, old.Name))
		}
	}
	if a := d.action; a != nil && a.Kind == Apply && d.cut() != "" {
		say(true, EventMaxLowered, fmt.Sprintf("max goes from %d to %d, which %s", d.Live.Spec.MaxReplicas, a.HPA.Spec.MaxReplicas, d.cut()))
	}
	if old, is := reasonOf(d.stored, v1alpha1.Ready), reasonOf(now, v1alpha1.Ready); is != old {
		switch {
		case d.ready.state == StateInvalid:
			say(true, EventRefused, messageOf(now, v1alpha1.Ready))
		case d.ready.conflict: // it is said as such
		case is == EventHPAStopped, is == EventScaleRefused:
			say(true, is, messageOf(now, v1alpha1.Ready))
		}
	}
	if old, is := reasonOf(d.stored, v1alpha1.Conflict), reasonOf(now, v1alpha1.Conflict); is != old {
		switch {
		case is != NoConflict && is != "":
			say(true, EventConflict, messageOf(now, v1alpha1.Conflict))
		case old != "":
			say(false, EventResolved, "nobody else scales the target or writes the HPA any more")
		}
	}
	if since := d.stored.BelowFloorSince; since != nil && now.BelowFloorSince == nil && d.now.Sub(since.Time) >= belowFor {
		by := "set so by somebody or by what the HPA had decided before"
		if reasonOf(d.stored, v1alpha1.Ready) == ScaleRefused {
			by = "as the HPA could not write its size"
		}
		say(true, EventRestored, fmt.Sprintf("the %s was smaller than the minimum in force for %s, %s: the HPA has brought it back", target, d.now.Sub(since.Time), by))
	}
	out = append(out, d.rolloutEvents(now)...)
	out = append(out, d.switchEvents()...)
	if old, is := reasonOf(d.stored, v1alpha1.Held), reasonOf(now, v1alpha1.Held); is != old {
		message := messageOf(now, v1alpha1.Held)
		switch is {
		case HeldByFallback:
			say(true, EventFallbackEngaged, message)
		case HeldBySchedule, HeldByUnknown, HeldByOutage, HeldCapped:
			say(false, EventFloorRaised, message)
		case NotHeld:
			if old != "" {
				say(false, EventFloorReleased, message)
			}
		}
		if old == HeldByFallback {
			say(false, EventRecovered, "the metrics are back: "+message)
		}
	}
	return out
}

// fate is what becomes of an adopted HPA with its policy, which who made it may not expect.
func (d *decision) fate() string {
	if d.Policy.Spec.DeletionPolicy == v1alpha1.Orphan {
		return "It stays when the policy is deleted"
	}
	return "It is deleted with the policy, unless spec.deletionPolicy is Orphan before"
}

func reasonOf(s *v1alpha1.AutoscalingPolicyStatus, of string) string {
	if c := meta.FindStatusCondition(s.Conditions, of); c != nil {
		return c.Reason
	}
	return ""
}

func messageOf(s *v1alpha1.AutoscalingPolicyStatus, of string) string {
	if c := meta.FindStatusCondition(s.Conditions, of); c != nil {
		return c.Message
	}
	return ""
}

// set puts a condition into a status. Its time changes with its status only, and is
// never ahead of the clock.
func (d *decision) set(s *v1alpha1.AutoscalingPolicyStatus, c metav1.Condition) {
	c.Message = cut(c.Message, maxCondition)
	c.ObservedGeneration = d.Policy.Generation
	c.LastTransitionTime = metav1.NewTime(d.now)
	if old := meta.FindStatusCondition(d.stored.Conditions, c.Type); old != nil && old.Status == c.Status && !old.LastTransitionTime.After(d.now) {
		c.LastTransitionTime = old.LastTransitionTime
	}
	s.Conditions = append(s.Conditions, c)
}
