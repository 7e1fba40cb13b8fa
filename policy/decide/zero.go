package decide

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// zeroWait is how long a write waits for a moment at which it is safe.
const zeroWait = 10 * time.Minute

// nearZero says whether the write has to wait. An HPA that is written to while it
// decides to scale to 0 loses the note that it was it who did: the target then is at 0
// as if a person had set it, and is never woken. It cannot decide so from 2 pods up
// where its scaleDown policies leave one, nor at rest at 0. A minimum of 1 or more that
// somebody asked for is never put off: it is what ends the danger. One that only holds
// the present size is not worth it.
func (d *decision) nearZero() bool {
	if d.Live == nil || ptr.Deref(d.Live.Spec.MinReplicas, 1) > 0 || ptr.Deref(d.want.Spec.MinReplicas, 1) > 0 && !d.onlyHolds() {
		return false
	}
	if mine, foreign := hpa.Differences(d.want, d.Live); len(mine)+len(foreign) == 0 {
		return false
	}
	size := d.Live.Status.CurrentReplicas
	if b := d.Live.Spec.Behavior; b != nil {
		if next, _ := hpa.Step(size, b.ScaleDown); next > 0 {
			return false
		}
	}
	if h := floor.Judge(d.Live); size == 0 && (h.ToZero || h.Disabled) {
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
	d.ready = finding{reason: NearZero, state: StatePending, waits: true, message: fmt.Sprintf(
		"the HPA is about to scale to 0, and a write at that moment could strand it there: what changed is written when it has 2 pods or rests at 0, at %s at the latest", floor.Local(until))}
	return true
}

// onlyHolds says whether the minimum is that of a hold at the present size.
func (d *decision) onlyHolds() bool {
	f := d.floors.Decisive
	return f != nil && (f.Owner == floor.RolloutOwner || f.Owner == floor.SwitchOwner || f.Owner == floor.OutageOwner)
}
