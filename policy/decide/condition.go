package decide

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
)

// Reasons of MetricsAvailable, besides HPAStopped: then the HPA does not look at them, and it is Unknown.
const (
	// AllAvailable (True): the HPA reads all its metrics.
	AllAvailable = "AllAvailable"
	// SomeMissing (False): it cannot read some of them, scales out by the others, and not in.
	SomeMissing = "SomeMissing"
	// AllMissing (False): it can read none, and keeps its size.
	AllMissing = "AllMissing"
	// NeverAvailable (False): some or all are missing, and never were all there since the
	// policy asks for them. Most often a name or a selector is wrong.
	NeverAvailable = floor.NeverAvailable
	// NotYetRead (Unknown): there is no HPA, or none has looked at the metrics yet.
	NotYetRead = "NotYetRead"
	// NotKnown (Unknown): the HPA says nothing clear of its metrics.
	NotKnown = "Unknown"
)

// Reasons of ScalingLimited.
const (
	// AtMax (True): the metrics ask for more than replicas.max.
	AtMax = "AtMax"
	// RateLimited (True): the size follows the metrics at the pace of the profile or the behavior.
	RateLimited = "RateLimited"
	// NotLimited (False): the size is what the metrics ask for, or the minimum.
	NotLimited = "NotLimited"
	// NotScaling (Unknown): the HPA does not bring the size to what its metrics ask for, so
	// nothing is known of limits.
	NotScaling = "NotScaling"
)

// Reasons of Switching, besides NotWatched with --follow-services=false, and the policy's mode where that is not Enforce.
// While a switch is under way, and after it, they are its phase.
const (
	// NoSwitch (False): there was none.
	NoSwitch = "NoSwitch"
	// InDoubt (Unknown): the Service's selector fits both workloads or neither. Everything stays
	// as it is.
	InDoubt = "ServiceInDoubt"
)

// Reasons of Held.
const (
	// HeldBySchedule (True): a schedule holds the minimum.
	HeldBySchedule = "Schedule"
	// HeldByFallback (True): metrics cannot be read for as long as fallback.after, and
	// fallback.min is in force.
	HeldByFallback = "Fallback"
	// HeldByRollout (True): the target's pods are being replaced, or just were.
	HeldByRollout = "Rollout"
	// HeldBySwitch (True): the Service moves from one workload to the other, or just has.
	HeldBySwitch = "Switch"
	// HeldByOutage (True): metrics cannot be read, and the size from before is kept.
	HeldByOutage = "Outage"
	// HeldByUnknown (True): the HPA has a minimum that nothing known explains, as after the status was
	// lost. It is kept for --unknown-hold.
	HeldByUnknown = "UnknownOrigin"
	// HeldCapped (True): a floor asks for more than replicas.max.
	HeldCapped = "Capped"
	// Releasing (True): floors have ended, and the minimum comes down step by step.
	Releasing = "Releasing"
	// NotHeld (False): the minimum is replicas.min.
	NotHeld = "NotHeld"
	// NotInForce (False): a floor holds more than the minimum that the HPA has. Ready says why.
	NotInForce = "NotInForce"
)

// conditions are those of a policy, for its next status.
func (d *decision) conditions(s *v1alpha1.AutoscalingPolicyStatus) {
	d.set(s, condition(v1alpha1.Ready, verdict(&d.ready), d.ready.reason, d.ready.message))
	d.set(s, d.metricsAvailable(s))
	d.set(s, d.scalingLimited())
	d.set(s, d.held(s))
	d.set(s, d.rollingOut(s))
	if d.Policy.Spec.BlueGreen != nil {
		d.set(s, d.switched(s))
	}
	if d.conflict != nil {
		d.set(s, condition(v1alpha1.Conflict, metav1.ConditionTrue, d.conflict.reason, d.conflict.message))
	} else {
		d.set(s, condition(v1alpha1.Conflict, metav1.ConditionFalse, NoConflict, "nobody else scales the target or writes the HPA"))
	}
}

func verdict(f *finding) metav1.ConditionStatus {
	switch {
	case f.good:
		return metav1.ConditionTrue
	case f.waits:
		return metav1.ConditionUnknown
	}
	return metav1.ConditionFalse
}

func condition(of string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: of, Status: status, Reason: reason, Message: message}
}

// metricsAvailable is about the HPA's metrics. A sync that told nothing changes nothing.
func (d *decision) metricsAvailable(s *v1alpha1.AutoscalingPolicyStatus) metav1.Condition {
	c := condition(v1alpha1.MetricsAvailable, metav1.ConditionUnknown, NotYetRead, "there is no HPA of this policy")
	switch {
	case d.asksAnew():
		c.Message = "the HPA has not looked yet at the metrics that it is given"
		return c
	case !ours(d.Snapshot):
		return c
	case floor.Condition(d.Live, autoscalingv2.ScalingActive) != nil:
		c.Reason = NotKnown
	}
	h := floor.Judge(d.Live)
	old := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.MetricsAvailable)
	if h.Blank && old != nil {
		return *old
	}
	if h.State == floor.Good && old != nil && old.Status == metav1.ConditionFalse {
		// Metrics that come and go with each sync are not worth a write each time.
		if settled := old.LastTransitionTime.Add(d.Settings.ValuesEvery); d.now.Before(settled) && !old.LastTransitionTime.After(d.now) {
			d.wake(settled)
			return *old
		}
	}
	c.Message = clip(h.Text)
	switch {
	case h.State == floor.Good:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, AllAvailable, "the HPA reads all its metrics"
	case h.State == floor.Bad && h.None:
		c.Status, c.Reason = metav1.ConditionFalse, AllMissing
		c.Message = fmt.Sprintf("the HPA keeps its size, as it cannot read %s: %s", clip(strings.Join(h.Missing, ", ")), clip(h.Text))
	case h.State == floor.Bad:
		c.Status, c.Reason = metav1.ConditionFalse, SomeMissing
		c.Message = fmt.Sprintf("the HPA cannot read %s: it scales out by the others, and not in", clip(strings.Join(h.Missing, ", ")))
	case h.Stopped:
		c.Reason = HPAStopped
	}
	if h.State != floor.Bad {
		return c
	}
	if old != nil && (old.Reason == NotYetRead || old.Reason == NeverAvailable) {
		c.Reason = NeverAvailable
		c.Message += ". It never could since the policy asks for that: see whether name and selector are right"
	}
	if outlook := floor.Outlook(s.Fallback, d.Policy.Spec.Fallback); outlook != "" {
		c.Message += ". " + outlook
	}
	if h.None && h.ToZero && d.Live.Status.CurrentReplicas == 0 {
		c.Message += ". No minimum wakes a target from 0 while no metric can be read; replicas.min 1 would avoid that"
	}
	return c
}

// asksAnew says whether the policy asks for other metrics than the HPA had. To put right what
// somebody else has changed there is nothing new.
func (d *decision) asksAnew() bool {
	if d.action == nil || d.action.Kind != Apply {
		return false
	}
	return d.Live == nil || d.adopt || d.stored.ObservedGeneration != d.Policy.Generation && slices.ContainsFunc(d.action.Paths, func(path string) bool {
		return strings.HasPrefix(path, "spec.metrics") && !strings.Contains(path, ".target.")
	})
}

// scalingLimited is about bounds and pace. That the metrics ask for less than the
// minimum limits nothing that anybody is waiting for.
func (d *decision) scalingLimited() metav1.Condition {
	c := condition(v1alpha1.ScalingLimited, metav1.ConditionUnknown, NotScaling, "there is no HPA of this policy")
	if !ours(d.Snapshot) {
		return c
	}
	for _, of := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive} {
		if is := floor.Condition(d.Live, of); is == nil || is.Status != corev1.ConditionTrue {
			c.Message = "the HPA does not bring the size to what its metrics ask for: Ready and MetricsAvailable say why"
			if is == nil {
				c.Message = "the HPA controller has not looked at the HPA yet"
			}
			return c
		}
	}
	c = condition(v1alpha1.ScalingLimited, metav1.ConditionFalse, NotLimited, "the size is what the metrics ask for, or the minimum")
	is := floor.Condition(d.Live, autoscalingv2.ScalingLimited)
	if is == nil || is.Status != corev1.ConditionTrue {
		return c
	}
	switch is.Reason {
	case "TooManyReplicas":
		c.Status, c.Reason = metav1.ConditionTrue, AtMax
		c.Message = fmt.Sprintf("the metrics ask for more than max %d: raise replicas.max", d.Live.Spec.MaxReplicas)
	case "ScaleUpLimit", "ScaleDownLimit":
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, RateLimited, "the size follows the metrics at the pace of the profile or behavior"
	}
	return c
}

// held is about what holds the minimum up.
func (d *decision) held(s *v1alpha1.AutoscalingPolicyStatus) metav1.Condition {
	c := condition(v1alpha1.Held, metav1.ConditionFalse, NotHeld, "the minimum is replicas.min")
	if d.letting != nil {
		if d.letting.Min > d.letting.Goal {
			c.Status, c.Reason, c.Message = metav1.ConditionTrue, Releasing, d.letting.Why
		}
		return c
	}
	if d.floors == nil || d.Policy.Spec.Mode == v1alpha1.DryRun {
		old := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.Held)
		if old != nil && (len(s.Floors) > 0 || s.Release != nil) {
			return *old
		}
		return c
	}
	f := d.floors.Decisive
	if f == nil {
		return c
	}
	c.Message = fmt.Sprintf("min %d %s", d.floors.Min, d.whyMin())
	if is := s.EffectiveMin; is != nil && *is < d.floors.Min {
		c.Reason = NotInForce
		c.Message += fmt.Sprintf(", is not in force: the HPA has min %d. Ready says why", *is)
		return c
	}
	c.Status = metav1.ConditionTrue
	switch {
	case s.BelowFloorSince != nil && d.ready.reason == ScaleRefused:
		c.Message += fmt.Sprintf(". But the target has %d, and the HPA cannot change that. Ready says why", d.Rollout.Size)
	case s.BelowFloorSince != nil:
		c.Message += fmt.Sprintf(". But the target was set to %d: the HPA brings it back at its next sync", d.Rollout.Size)
	}
	switch {
	case f.Owner == floor.ReleaseOwner:
		c.Reason = Releasing
	case f.Value > d.floors.Min:
		c.Reason = HeldCapped
		c.Message += fmt.Sprintf(", which asks for %d: replicas.max is %d", f.Value, d.floors.Min)
	case f.Owner == floor.FallbackOwner:
		c.Reason = HeldByFallback
	case f.Owner == floor.RolloutOwner:
		c.Reason = HeldByRollout
	case f.Owner == floor.SwitchOwner:
		c.Reason = HeldBySwitch
	case f.Owner == floor.OutageOwner:
		c.Reason = HeldByOutage
	case f.Owner == floor.UnknownOwner:
		c.Reason = HeldByUnknown
	default:
		c.Reason = HeldBySchedule
	}
	return c
}

// whyMin says in words where the minimum in force comes from.
func (d *decision) whyMin() string {
	f := d.floors.Decisive
	switch {
	case f == nil:
		return "by replicas.min"
	case f.Owner == floor.UnknownOwner:
		return fmt.Sprintf("until %s: %s", floor.Local(f.Expires.UTC()), f.Reason)
	case f.Owner != floor.ReleaseOwner:
		return f.Reason
	}
	text := fmt.Sprintf("is lowered step by step (%s)", f.Reason)
	switch r := d.floors.Release; {
	case r.NotBefore != nil:
		text += ", from " + floor.Local(r.NotBefore.UTC()) + " on: until then the metrics may be those of the gap"
	case d.floors.Endless:
		text += fmt.Sprintf(", a step each %s, as the metrics cannot be read for so long", d.Settings.UnknownHold)
	case d.floors.Health.State == floor.Bad:
		text += ", when the metrics can be read again"
	}
	return text
}
