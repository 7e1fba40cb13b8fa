package decide

import (
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// plan puts together what was decided.
func (d *decision) plan() Plan {
	next := d.status()
	p := Plan{Action: d.action, Handoff: d.handoff, Intent: d.intent(), Observations: d.observe(next)}
	p.Events = d.events(next)
	p.Changed, p.ValuesOnly = d.changes(next)
	if !p.Changed {
		next = d.stored.DeepCopy()
	}
	p.Status = *next
	if !d.next.IsZero() && (d.Refused == nil || d.Policy.Spec.Mode == v1alpha1.DryRun) {
		p.Next = max(d.next.Sub(d.Now), time.Second)
	}
	if d.switching != nil && d.switching.Soon && p.Changed {
		p.Next = soon
	}
	return p
}

// intent is what has to be in the status before the HPA follows: why its minimum is
// going to be higher, and what it no longer scales. A lower one is explained by what is
// stored already.
func (d *decision) intent() *v1alpha1.AutoscalingPolicyStatus {
	if d.action == nil || d.action.Kind != Apply || d.floors == nil {
		return nil
	}
	if d.Live != nil && !d.action.Retargets && ptr.Deref(d.want.Spec.MinReplicas, 1) <= ptr.Deref(d.Live.Spec.MinReplicas, 1) {
		return nil
	}
	s := d.stored.DeepCopy()
	d.hold(s)
	if s.ObservedGeneration == 0 && len(d.floors.Held()) > 0 {
		s.ObservedGeneration = d.Policy.Generation
	}
	if equality.Semantic.DeepEqual(s, d.stored) {
		return nil
	}
	return s
}

// hold puts the floors into a status.
func (d *decision) hold(s *v1alpha1.AutoscalingPolicyStatus) {
	s.Floors, s.Fallback, s.Release = d.floors.Floors, d.floors.Fallback, d.floors.Release.DeepCopy()
	s.Rollout = d.floors.Rollout
	d.keepSwitch(s)
	if s.Release != nil && d.action != nil && d.action.Kind == Apply && d.Live != nil &&
		*d.want.Spec.MinReplicas < ptr.Deref(d.Live.Spec.MinReplicas, 1) {
		s.Release.LastStep = metav1.NewTime(d.now) // it may have been put off since it was decided
	}
}

// keepSwitch puts what is known of the switch into a status.
func (d *decision) keepSwitch(s *v1alpha1.AutoscalingPolicyStatus) {
	switch {
	case d.switching != nil:
		s.BlueGreen = d.switching.State.DeepCopy()
	case d.Policy.Spec.BlueGreen == nil:
		s.BlueGreen = nil
	}
}

// status is the policy's after the action.
func (d *decision) status() *v1alpha1.AutoscalingPolicyStatus {
	s := d.stored.DeepCopy()
	s.ObservedGeneration = d.Policy.Generation
	s.State, s.Target = d.ready.state, d.Policy.Scaled().Name
	s.Conditions, s.Plan = nil, d.lines
	s.HPA, s.EffectiveMin = d.written()
	d.keepSwitch(s)
	switch {
	case d.floors != nil && d.Policy.Spec.Mode != v1alpha1.DryRun:
		d.hold(s)
	case s.HPA == nil:
		s.Floors, s.Fallback, s.Rollout, s.Release = nil, nil, nil, nil
	case d.stored.ObservedGeneration == 0:
		// The status was lost while the HPA stays as it is: what its minimum is of has to
		// be known when it moves again.
		next := d.next
		d.evaluate(d.liveBounds(), behaviorOf(d.Live))
		d.next = next
		d.hold(s)
	}
	s.BelowFloorSince = d.belowFloor()
	s.Replicas, s.Metric = nil, ""
	if ours(d.Snapshot) {
		s.Replicas = floor.Size(d.Live)
		s.Metric = d.metric()
	}
	d.conditions(s)
	return s
}

// belowFloor is since when the target has been smaller than a minimum that the controller of
// HPAs has seen. It acts on that before it says so, so that what is smaller afterwards was
// made so by somebody else, or by what it had decided before (a write that meets another's
// is repeated with the old value).
func (d *decision) belowFloor() *metav1.Time {
	if d.floors == nil || d.Rollout == nil || !ours(d.Snapshot) || !d.seen() || d.action != nil || d.Policy.Spec.Mode != v1alpha1.Enforce ||
		d.Rollout.Size == 0 || d.Rollout.Size >= ptr.Deref(d.Live.Spec.MinReplicas, 1) {
		return nil
	}
	since := metav1.NewTime(d.now)
	if was := d.stored.BelowFloorSince; was != nil && !was.After(d.now) {
		since = *was
	}
	return &since
}

// belowFor is for how long a target has to be smaller than its minimum for that to be said:
// what comes from two caches may be a moment apart.
const belowFor = 2 * time.Second

// written is the HPA as it is after the action, and the minimum that it has.
func (d *decision) written() (*v1alpha1.AppliedHPA, *int32) {
	a := &v1alpha1.AppliedHPA{Name: d.Policy.Name}
	applies := d.action != nil && d.action.Kind == Apply
	if d.Live != nil {
		a.UID = d.Live.UID
	}
	switch {
	case d.action != nil && d.action.Kind == DeleteLoser:
		return nil, nil
	case !ours(d.Snapshot) && !applies:
		return nil, nil
	}
	live := int32(0)
	if d.Live != nil {
		live = ptr.Deref(d.Live.Spec.MinReplicas, 1)
	}
	if applies {
		live = minOf(d.want)
	}
	a.Min = &live
	// What we did not decide is not what we wrote: it may be somebody's edit, to be dealt
	// with when the mode is Enforce, or no more in a fight.
	decided := d.floors != nil && d.Policy.Spec.Mode == v1alpha1.Enforce && !d.minLeft && *d.want.Spec.MinReplicas == live
	if !decided && d.stored.HPA != nil && d.stored.HPA.Min != nil {
		a.Min = d.stored.HPA.Min
	}
	a.Rewrites, a.Rewritten = d.rewrites()
	return a, ptr.To(live)
}

// changes says whether a status has to be written, and whether for its values alone:
// these change all the time, and the HPA has them live.
func (d *decision) changes(s *v1alpha1.AutoscalingPolicyStatus) (changed, valuesOnly bool) {
	s.ValuesAt = d.stored.ValuesAt
	if equality.Semantic.DeepEqual(s, d.stored) {
		return false, false
	}
	// What a write is refused for is no value: it may be all that is known of a switch that
	// is given up within the minute.
	valuesOnly = (d.HandoffRefused == "" || switchMessage(s) == switchMessage(d.stored)) && equality.Semantic.DeepEqual(lasting(s), lasting(d.stored))
	if last := d.stored.ValuesAt; valuesOnly && last != nil && !last.After(d.now) {
		if due := last.Add(d.Settings.ValuesEvery); d.now.Before(due) {
			d.wake(due)
			return false, false
		}
	}
	s.ValuesAt = ptr.To(metav1.NewTime(d.now))
	return true, valuesOnly
}

func switchMessage(s *v1alpha1.AutoscalingPolicyStatus) string {
	if s.BlueGreen == nil || s.BlueGreen.Switch == nil {
		return ""
	}
	return s.BlueGreen.Switch.Message
}

// lasting is a status without what may be a minute old: values, words, whether a bound
// or the pace limits just now, which of the metrics are missing, and a first good read in
// doubt.
func lasting(s *v1alpha1.AutoscalingPolicyStatus) *v1alpha1.AutoscalingPolicyStatus {
	s = s.DeepCopy()
	s.Replicas, s.Metric, s.ValuesAt, s.Plan = nil, "", nil, nil
	if s.Fallback != nil {
		s.Fallback.Good, s.Fallback.Metrics = nil, nil
	}
	for i := range s.Floors {
		s.Floors[i].Reason = ""
	}
	if s.BlueGreen != nil && s.BlueGreen.Switch != nil {
		s.BlueGreen.Switch.Message = ""
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.Message = ""
		if c.Reason == AllMissing {
			c.Reason = SomeMissing
		}
		if c.Type == v1alpha1.ScalingLimited {
			*c = metav1.Condition{Type: c.Type, ObservedGeneration: c.ObservedGeneration}
		}
	}
	return s
}

// observe is what metrics of ours show.
func (d *decision) observe(s *v1alpha1.AutoscalingPolicyStatus) Observations {
	o := Observations{State: s.State, Values: d.values(), Drifted: d.drifted()}
	count := func(owner string, since metav1.Time) {
		if o.Floors == nil {
			o.Floors, o.Since = map[string]int{}, map[string]time.Time{}
		}
		kind, _, _ := strings.Cut(owner, "/")
		o.Floors[kind]++
		if oldest, ok := o.Since[kind]; !ok || since.Time.Before(oldest) {
			o.Since[kind] = since.UTC()
		}
	}
	for _, f := range s.Floors {
		count(f.Owner, f.Since)
	}
	if s.Release != nil {
		count(floor.ReleaseOwner, s.Release.LastStep)
	}
	return o
}

// raisedByHand says whether somebody else has just raised the HPA's minimum, which is
// taken back step by step and not at once.
func (d *decision) raisedByHand() bool {
	if d.floors == nil || d.floors.Release == nil || d.floors.Release.Reason != floor.ByHand {
		return false
	}
	was := d.stored.Release
	return was == nil || was.Value < d.floors.Release.Value
}

// behaviorOf returns the scaleDown rules of an HPA, nil if it has none. Of a frozen one
// they are those that it goes on with: what a floor held is not to go all at once then.
func behaviorOf(h *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HPAScalingRules {
	if b := hpa.Thaw(h, nil).Spec.Behavior; b != nil {
		return b.ScaleDown
	}
	return nil
}
