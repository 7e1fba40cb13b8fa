package decide

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// zeroWait is how long a write waits for a moment at which it is safe.
const zeroWait = 10 * time.Minute

// falls says whether an HPA may be about to scale its target to 0. One that is written to
// while it decides so loses the note that it was it who did: the target then is at 0 as if
// a person had set it, and is never woken. It cannot decide so from 2 pods up where its
// scaleDown policies leave one, nor frozen, nor at rest at 0.
func falls(live *autoscalingv2.HorizontalPodAutoscaler) bool {
	if live == nil || ptr.Deref(live.Spec.MinReplicas, 1) > 0 {
		return false
	}
	size := live.Status.CurrentReplicas
	if b := live.Spec.Behavior; b != nil {
		if next, _ := hpa.Step(size, b.ScaleDown); next > 0 {
			return false
		}
	}
	h := floor.Judge(live)
	return size > 0 || !h.ToZero && !h.Disabled
}

// nearZero says whether the write has to wait. A minimum of 1 or more that somebody asked
// for is never put off: it is what ends the danger. One that only holds the present size is
// not worth it.
func (d *decision) nearZero() bool {
	if d.Capabilities.StrandsAtZero && ptr.Deref(d.want.Spec.MinReplicas, 1) == 0 { // there is no note that could be lost
		return false
	}
	if !falls(d.Live) || ptr.Deref(d.want.Spec.MinReplicas, 1) > 0 && !d.onlyHolds() {
		return false
	}
	if mine, foreign := hpa.Differences(d.want, d.Live); len(mine)+len(foreign) == 0 {
		return false
	}
	since := d.now
	if c := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.Ready); c != nil && c.Reason == NearZero && !c.LastTransitionTime.After(d.now) {
		since = c.LastTransitionTime.Time
	}
	until := since.Add(zeroWait)
	if !d.now.Before(until) {
		return false
	}
	d.wake(until)
	d.ready = finding{reason: NearZero, state: StatePending, waits: true, message: "what changed is not written yet: " + fallsText(until)}
	return true
}

func fallsText(until time.Time) string {
	return fmt.Sprintf("the HPA is about to scale to 0, and a write at that moment could strand it there; it is made when it has 2 pods or rests at 0, at %s at the latest", floor.Local(until.UTC()))
}

// fallsUntil is nearZero of an HPA that is let go, where no status remembers since when
// something waits: the zero time if it may be written to, or until when it may not. The
// HPA's own last step counts instead: a target that has been at this size for longer is no
// likelier to go to 0 now than at any other time.
func fallsUntil(live *autoscalingv2.HorizontalPodAutoscaler, now time.Time) time.Time {
	last := live.CreationTimestamp
	if t := live.Status.LastScaleTime; t != nil {
		last = *t
	}
	until := last.Add(zeroWait)
	if !falls(live) || last.After(now) || !now.Before(until) {
		return time.Time{}
	}
	return until
}

// onlyHolds says whether the minimum is that of a hold at the present size.
func (d *decision) onlyHolds() bool {
	f := d.floors.Decisive
	return f != nil && (f.Owner == floor.RolloutOwner || f.Owner == floor.SwitchOwner || f.Owner == floor.OutageOwner)
}
