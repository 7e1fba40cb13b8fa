package floor

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// ByHand is the reason of a release that began with somebody else's edit of the HPA.
const ByHand = "somebody else set it on the HPA"

// defaultWindow is the HPA controller's for scaling in, where an HPA names none.
const defaultWindow = 5 * time.Minute

func window(down *autoscalingv2.HPAScalingRules) time.Duration {
	if down == nil || down.StabilizationWindowSeconds == nil {
		return defaultWindow
	}
	return time.Duration(*down.StabilizationWindowSeconds) * time.Second
}

// unknown returns the floor of a minimum that nothing explains while the status is lost.
// The status is written before any floor reaches an HPA, so with a status such a minimum
// is somebody's edit; without one it may be a floor that was forgotten.
func (e *evaluation) unknown(floors []v1alpha1.Floor) *v1alpha1.Floor {
	held := e.stored(UnknownOwner)
	min := e.liveMin()
	switch computed, _ := hpa.EffectiveMin(e.Min, e.Max, floors); {
	case held != nil:
		held.Since = e.past(held.Since)
	case e.Live == nil || e.Foreign || e.Status.ObservedGeneration > 0, min <= computed, min <= e.writtenMin():
		return nil
	default:
		held = &v1alpha1.Floor{
			Owner: UnknownOwner, Value: min, Since: metav1.NewTime(e.now),
			Reason: "found on the HPA while the status was lost",
		}
	}
	if ends := held.Since.Add(e.UnknownHold); e.reached(ends) {
		return nil
	} else {
		held.Expires = metav1.NewTime(ends)
	}
	return held
}

// writtenMin is the owner's minimum as it was when the HPA was written last, from its
// annotation; 0 if it has none.
func (e *evaluation) writtenMin() int32 {
	if e.Live == nil {
		return 0
	}
	return hpa.WrittenMin(e.Live, 0)
}

// release returns what is left of floors that have ended; nil if nothing is.
//
// The HPA has two brakes, and neither works here: its window forgets what it did not
// recommend itself, and its policies count back what was added within their period. So
// a floor of 12 over a need of 2 is taken down in the steps that the scaleDown policies
// allow. It begins once the metrics were good for a window, which is how long the HPA
// would have gone by the highest of them; while they are bad it waits, for as long as an
// outage is held for, and then goes on slowly.
//
// One step an evaluation at most: a clock that is put forward skips none.
func (e *evaluation) release(floors []v1alpha1.Floor) *v1alpha1.Release {
	base, _ := hpa.EffectiveMin(e.Min, e.Max, floors)
	r := e.ended()
	r.Value = min(r.Value, e.Max)
	if r.Value <= base {
		return nil
	}
	next, every := hpa.Step(r.Value, e.Down)
	if every == 0 {
		return nil // the HPA is not to scale in at all, with or without a floor
	}
	r.LastStep = e.past(r.LastStep)
	step := func() *v1alpha1.Release {
		if next <= base {
			return nil
		}
		e.wake(e.now.Add(every))
		return &v1alpha1.Release{Value: next, Reason: r.Reason, LastStep: metav1.NewTime(e.now)}
	}
	switch live := min(e.liveMin(), e.Max); {
	case live > r.Value:
		return &r // the HPA has not followed the last step yet
	case live == next && !e.Foreign && e.Status.Release != nil && r.Value == e.Status.Release.Value:
		return step() // it has followed one that was not stored
	}
	if e.Target != nil && !e.Target.Observed && !e.reached(r.LastStep.Add(e.maxHold())) {
		return &r // a rollout may have begun that nobody has looked at yet
	}
	from := r.LastStep.Add(every)
	switch e.health.State {
	case Bad:
		r.NotBefore = nil
		if e.unavailable() == nil || !e.reached(e.outageEnds()) {
			return &r // until the HPA reads them again, which wakes us
		}
		from = r.LastStep.Add(max(every, e.UnknownHold))
	case Good:
		r.NotBefore = nil
		if calm := e.goodSince().Add(window(e.Down)); calm.After(e.now) {
			r.NotBefore = ptr.To(metav1.NewTime(calm))
			if calm.After(from) {
				from = calm
			}
		}
	case Unknown:
		// Nobody knows what the pods have to do. Every hold ends, this one slowly.
		if !e.health.Disabled {
			from = r.LastStep.Add(max(every, e.UnknownHold))
		}
	}
	if !e.reached(from) {
		return &r
	}
	return step()
}

// ended returns the highest of what held the minimum so far, whether it still does or
// not: the floors of the status, its release, and an edit of the HPA.
func (e *evaluation) ended() v1alpha1.Release {
	r := v1alpha1.Release{LastStep: metav1.NewTime(e.now)}
	if e.Status.Release != nil {
		r = *e.Status.Release.DeepCopy()
	}
	begin := func(value int32, reason string) {
		if value > r.Value {
			r = v1alpha1.Release{Value: value, Reason: reason, LastStep: metav1.NewTime(e.now)}
		}
	}
	for _, f := range e.Status.Floors {
		begin(f.Value, f.Owner+" has ended")
	}
	switch {
	case e.Foreign:
		begin(e.liveMin(), "the HPA had it when it was adopted")
	case e.liveMin() > max(e.writtenMin(), e.appliedMin()):
		begin(e.liveMin(), ByHand)
	}
	return r
}

// appliedMin is the minimum that we wrote last; 0 if none is known.
func (e *evaluation) appliedMin() int32 {
	if e.Status.HPA == nil {
		return 0
	}
	return ptr.Deref(e.Status.HPA.Min, 0)
}

// goodSince is since when the metrics are good, by the condition that says so. That may
// come a little late; then it is since we began to wait.
func (e *evaluation) goodSince() time.Time {
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.MetricsAvailable)
	switch r := e.Status.Release; {
	case c != nil && c.Status == metav1.ConditionTrue:
		return e.past(c.LastTransitionTime).Time
	case r != nil && r.NotBefore != nil:
		return e.past(metav1.NewTime(r.NotBefore.Add(-window(e.Down)))).Time
	}
	return e.now
}
