package floor

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// outage returns the floor that keeps the size while metrics cannot be read. Meanwhile
// the HPA does not scale in anyway; but an outage longer than its stabilization window
// leaves that empty, and then the first low value cuts all the way. So the size is held
// from half a window on, when there still is something in it, and what then comes down is
// a release, which waits for a window of good metrics and goes in steps.
//
// Shorter gaps write nothing, and an HPA without a window asks for no such care.
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
	if e.health.State == Bad && (!e.health.Blank || held.Reason == "") {
		held.Reason = "as nobody knows what is needed after the outage of " + strings.Join(e.health.Missing[:min(len(e.health.Missing), maxNamed)], ", ")
	}
	if !e.renewed(held) {
		return nil
	}
	return held
}

// badSince is since when metrics cannot be read, by the condition that says so.
func (e *evaluation) badSince() time.Time {
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.MetricsAvailable)
	if c == nil || c.Status != metav1.ConditionFalse {
		return e.now
	}
	return e.past(c.LastTransitionTime).Time
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
