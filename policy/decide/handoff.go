package decide

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/owner"
)

const (
	// soon is when a phase that was just stored is acted in.
	soon = 50 * time.Millisecond
	// handoffEvery is how often is looked at what is not watched, while a managed switch
	// is made.
	handoffEvery = 2 * time.Second
)

// follow decides how a switch between two workloads goes on. From then on the policy is
// that of the one that serves.
func (d *decision) follow() {
	if d.Policy.Spec.BlueGreen == nil || d.Handoff == nil {
		return
	}
	r := handoff.Step(handoff.Input{
		Now: d.Now, Policy: d.Policy, World: *d.Handoff, Size: d.needed(), Min: d.confirmedMin(), OnTarget: d.onTarget(),
		Rival: d.otherHPA, Sync: d.Settings.Sync, Refused: clip(d.HandoffRefused),
	})
	d.switching = &r
	d.wake(r.Next)
	if w := r.State.Managing(); w != nil && w.Phase != v1alpha1.Soaking {
		d.wake(d.Now.Add(handoffEvery))
	}
	p := *d.Policy
	p.Status.BlueGreen = &r.State
	d.Policy = &p
	if w := d.Handoff.Workload(r.State.Serving); w.Found {
		d.Rollout = &w.View
	} else {
		d.Rollout = nil
	}
	if d.plain != nil {
		d.plain = d.plain.DeepCopy()
		d.plain.Spec.ScaleTargetRef = reference(d.Policy)
	}
}

// needed is how many pods the HPA has decided on, if it has for its present spec; 0 if not.
func (d *decision) needed() int32 {
	if !ours(d.Snapshot) || !d.seen() {
		return 0
	}
	return d.Live.Status.DesiredReplicas
}

// confirmedMin is the minimum that the controller of HPAs has seen.
func (d *decision) confirmedMin() int32 {
	if !ours(d.Snapshot) || !d.seen() {
		return 0
	}
	return ptr.Deref(d.Live.Spec.MinReplicas, 1)
}

// seen says whether the controller of HPAs has seen the present spec.
func (d *decision) seen() bool {
	seen, until := floor.Seen(d.Live, d.Now, d.Settings.Sync)
	d.wake(until)
	return seen
}

// onTarget is the name of what the HPA scales; empty if that is none of the two.
func (d *decision) onTarget() string {
	if !ours(d.Snapshot) {
		return ""
	}
	for _, t := range []v1alpha1.TargetReference{d.Handoff.First.Ref, d.Handoff.Other.Ref} {
		if Scales(d.Live, t) {
			return t.Name
		}
	}
	return ""
}

// otherHPA is the name of an HPA that scales a workload, other than the policy's.
func (d *decision) otherHPA(t v1alpha1.TargetReference) string {
	for _, r := range d.Rivals {
		if r.HPA != "" && sameTarget(crossVersion(r.On), crossVersion(t)) {
			return r.HPA
		}
	}
	return ""
}

func crossVersion(t v1alpha1.TargetReference) autoscalingv2.CrossVersionObjectReference {
	return autoscalingv2.CrossVersionObjectReference{APIVersion: t.APIVersion, Kind: t.Kind, Name: t.Name}
}

// WriterOf names who besides us goes on writing a field of what a switch changes, again and
// again; empty if nobody does, or if somebody who knows better has said so on the object.
func WriterOf(o metav1.Object, field ...string) string {
	if o.GetAnnotations()[handoff.AllowAnnotation] != "" {
		return ""
	}
	return owner.Continuing(o.GetManagedFields(), FieldManager, field...)
}

// switchFloor is what the switch holds; nil for nothing.
func (d *decision) switchFloor() *v1alpha1.Floor {
	if d.switching == nil || d.switching.Floor == 0 {
		return nil
	}
	w := d.switching.State.Switch
	reason := fmt.Sprintf("while the Service moves from %s to %s", w.From, w.To)
	if w.Flipped != nil {
		reason = fmt.Sprintf("until %s, after the Service moved from %s to %s", floor.Local(d.switching.Expires.UTC()), w.From, w.To)
	}
	return &v1alpha1.Floor{Value: d.switching.Floor, Reason: reason, Expires: metav1.NewTime(d.switching.Expires)}
}

// replaced is the target before this one, if it is to be scaled to 0.
func (d *decision) replaced() *v1alpha1.TargetReference {
	r := d.Policy.Spec.Rollout
	if r == nil || r.Predecessor != v1alpha1.ScaleToZero || !ours(d.Snapshot) || d.Policy.Spec.BlueGreen != nil {
		return nil
	}
	old := d.Live.Spec.ScaleTargetRef
	was := v1alpha1.TargetReference{APIVersion: old.APIVersion, Kind: old.Kind, Name: old.Name}
	if sameTarget(old, reference(d.Policy)) || !handoff.Replaceable(was) || !handoff.Replaceable(d.Policy.Scaled()) {
		return nil
	}
	return &was
}

// hand has the write made that the switch, or the predecessor, is waiting for: where
// nothing else is to be written, so that it is made by what is stored.
func (d *decision) hand() {
	if d.action != nil || d.Refused != nil {
		return
	}
	if d.switching != nil {
		d.handoff = d.switching.Action
	}
	if d.Predecessor != nil && d.floors.Whole {
		d.handoff, d.kept = d.Predecessor.Retire(d.Policy.Scaled())
		if d.HandoffRefused != "" {
			d.handoff, d.kept = nil, clip(d.HandoffRefused)
		}
		d.wake(d.Now.Add(handoffEvery))
	}
}

// wouldReplace says in a line that the last target would be scaled to 0.
func (d *decision) wouldReplace() []string {
	old := d.replaced()
	if old == nil {
		return nil
	}
	return []string{fmt.Sprintf("scale the %s %s to 0 once %s serves without it", old.Kind, old.Name, d.Policy.Spec.TargetRef.Name)}
}

// wouldSwitch says what a switch that is asked for would do.
func (d *decision) wouldSwitch() []string {
	b := d.Policy.Spec.BlueGreen
	if b == nil || b.Active == "" || d.Handoff == nil {
		return nil
	}
	serving, doubt := d.Handoff.Serving(b.Service)
	switch {
	case doubt != "":
		return []string{"no switch: " + doubt}
	case serving == b.Active:
		return nil
	}
	lines := []string{fmt.Sprintf("bring %s to the size that %s has and more, then move the Service %s there", b.Active, serving, b.Service)}
	if b.Retire != v1alpha1.Keep {
		lines = append(lines, fmt.Sprintf("scale %s to 0 after the soak", serving))
	}
	return lines
}

// switched is the condition Switching.
func (d *decision) switched(s *v1alpha1.AutoscalingPolicyStatus) metav1.Condition {
	c := condition(v1alpha1.Switching, metav1.ConditionFalse, NoSwitch, "")
	if d.switching == nil {
		if old := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.Switching); old != nil {
			return *old
		}
		if d.Handoff != nil {
			return condition(c.Type, metav1.ConditionUnknown, string(d.Policy.Spec.Mode), "the HPA follows the Service in mode Enforce")
		}
		return condition(c.Type, metav1.ConditionUnknown, NotWatched, "Services are not watched: loadline-policy runs with --follow-services=false")
	}
	state := &d.switching.State
	c.Message = state.Serving + " serves"
	switch w := state.Switch; {
	case w == nil:
	case w.Phase.Over():
		c.Reason = string(w.Phase)
		c.Message = fmt.Sprintf("%s serves; the switch to %s is over", state.Serving, w.To)
		if w.Phase == v1alpha1.Aborted {
			c.Message = fmt.Sprintf("%s serves; the switch to %s was given up", state.Serving, w.To)
		}
		if w.Message != "" {
			c.Message += ": " + w.Message
		}
	default:
		c.Status, c.Reason = metav1.ConditionTrue, string(w.Phase)
		c.Message = switchText(w)
	}
	if state.Doubt != "" {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, InDoubt, fmt.Sprintf("%s. The HPA stays at %s", state.Doubt, state.Serving)
	}
	return c
}

// switchText says how far a switch is.
func switchText(w *v1alpha1.Switch) string {
	text := map[v1alpha1.SwitchPhase]string{
		v1alpha1.Preflight:   "is to go from %s to %s",
		v1alpha1.Prescale:    "is to go from %s to %s, which is brought to %d pods",
		v1alpha1.Waiting:     "is to go from %s to %s, once %d pods of that serve",
		v1alpha1.Holding:     "is to go from %s to %s, whose %d pods serve",
		v1alpha1.Flipping:    "goes from %s to %s, whose %d pods serve",
		v1alpha1.Retargeting: "has gone from %s to %s with %d pods, and the HPA is about to follow",
		v1alpha1.Soaking:     "has gone from %s to %s, and the HPA keeps at least %d pods for a while",
		v1alpha1.Retiring:    "has gone from %s to %s, and the former is scaled to 0",
		v1alpha1.Reverting:   "stays with %s: %s gets back the size that it had",
	}[w.Phase]
	args := []any{w.From, w.To, w.Size}
	if w.Phase == v1alpha1.Preflight || w.Phase == v1alpha1.Retiring || w.Phase == v1alpha1.Reverting {
		args = args[:2]
	}
	text = "the Service " + fmt.Sprintf(text, args...)
	if w.Message != "" {
		text += ": " + w.Message
	}
	return text
}

// switchEvents are what a person should hear of a switch between two statuses.
func (d *decision) switchEvents() []Event {
	if d.handoff != nil && d.handoff.Kind == handoff.Scale && d.Predecessor != nil {
		return []Event{{Reason: EventPredecessorRetired, Message: fmt.Sprintf("scaled the %s %s from %d to 0: the %s %s has taken its place",
			d.handoff.Target.Kind, d.handoff.Target.Name, d.handoff.From, d.Policy.Scaled().Kind, d.Policy.Scaled().Name)}}
	}
	if d.switching == nil {
		return nil
	}
	is := d.switching.State.Switch
	var was v1alpha1.Switch
	if s := d.stored.BlueGreen; s != nil && s.Switch != nil {
		was = *s.Switch
	}
	if is == nil || is.Phase == was.Phase && is.To == was.To && is.Started.Equal(&was.Started) {
		return nil
	}
	e := Event{Message: switchText(is)}
	switch is.Phase {
	case v1alpha1.Preflight:
		e.Reason = EventSwitchBegun
	case v1alpha1.Prescale:
		e.Reason = EventSwitchPrescales
		e.Warning = was.Phase == v1alpha1.Preflight && d.Handoff.Checks != nil && d.Handoff.Checks.Unprotected != ""
	case v1alpha1.Flipping:
		e.Reason = EventSwitchFlips
	case v1alpha1.Soaking:
		e.Reason = EventSwitched
	case v1alpha1.Retiring:
		e.Reason = EventSwitchRetires
	case v1alpha1.Reverting:
		e.Reason = EventSwitchReverts
	case v1alpha1.Complete:
		e.Reason, e.Message = EventSwitchComplete, fmt.Sprintf("the switch from %s to %s is complete", is.From, is.To)
	case v1alpha1.Aborted:
		e.Reason, e.Warning, e.Message = EventSwitchAborted, true, fmt.Sprintf("the switch from %s to %s was given up, and the Service not touched: %s", is.From, is.To, is.Message)
	default:
		return nil
	}
	return []Event{e}
}
