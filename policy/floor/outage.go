package floor

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// How long the size is held for metrics that cannot be read. Those that may come back are
// given a day; one that was never there is a mistake in the policy, and what the others ask
// for is not to wait for that.
const (
	outageHold = 24 * time.Hour
	neverHold  = time.Hour
)

// NeverAvailable is the reason of MetricsAvailable where the metrics were never all read
// since the policy asks for them.
const NeverAvailable = "NeverAvailable"

// outage returns the floor that keeps the size while metrics cannot be read. Meanwhile
// the HPA does not scale in anyway; but an outage longer than its stabilization window
// leaves that empty, and then the first low value cuts all the way. So the size is held
// from half a window on, when there still is something in it, and what then comes down is
// a release, which waits for a window of good metrics and goes in steps.
//
// Shorter gaps write nothing, and an HPA without a window asks for no such care. One that
// goes on for longer than outageHold ends the hold, or no size that a person sets would
// stay: then it comes down as a minimum of unknown origin does.
func (e *evaluation) outage() *v1alpha1.Floor {
	held := e.stored(OutageOwner)
	span := window(e.Down)
	if !e.Outages || e.Foreign || e.health.Disabled || span == 0 {
		return nil
	}
	switch {
	case e.health.State == Good, held == nil && e.health.State != Bad:
		return nil
	case held == nil:
		size := min(e.size(), e.Max)
		if size == 0 || e.strands(size) || !e.reached(e.badSince().Add(max(span/2, 2*e.Sync))) {
			return nil
		}
		held = &v1alpha1.Floor{Owner: OutageOwner, Value: size, Since: metav1.NewTime(e.now)}
	}
	held.Since = e.past(held.Since)
	ends := e.outageEnds()
	if e.reached(ends) {
		return nil
	}
	if e.health.State == Bad && (!e.health.Blank || held.Reason == "") {
		held.Reason = fmt.Sprintf("until %s at the latest, as nobody knows what is needed after the outage of %s. To end that earlier, mend that objective or take it out, or lower replicas.max",
			Local(ends.UTC()), strings.Join(e.health.Missing[:min(len(e.health.Missing), maxNamed)], ", "))
	}
	if !e.renewed(held) {
		return nil
	}
	return held
}

// badSince is since when metrics cannot be read, by the condition that says so.
func (e *evaluation) badSince() time.Time {
	c := e.unavailable()
	if c == nil {
		return e.now
	}
	return e.past(c.LastTransitionTime).Time
}

// outageEnds is until when the size is held for that.
func (e *evaluation) outageEnds() time.Time {
	if c := e.unavailable(); c != nil && c.Reason == NeverAvailable {
		return e.badSince().Add(neverHold)
	}
	return e.badSince().Add(outageHold)
}

// unavailable is the condition that metrics cannot be read; nil if none says so.
func (e *evaluation) unavailable() *metav1.Condition {
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.MetricsAvailable)
	if c == nil || c.Status != metav1.ConditionFalse {
		return nil
	}
	return c
}

// size is the target's: its own word, or the HPA's, 0 if neither knows.
func (e *evaluation) size() int32 {
	if e.Target != nil {
		return e.Target.Size
	}
	if size := Size(e.Live); size != nil {
		return *size
	}
	return 0
}
