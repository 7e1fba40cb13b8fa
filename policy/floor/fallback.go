package floor

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// renew is how far ahead a floor without an end of its own expires. It is renewed at half that time, so
// that an outage costs two writes an hour.
const renew = time.Hour

// defaultAfter is that of spec.fallback.after in the schema.
const defaultAfter = 2 * time.Minute

// maxNamed is how many metrics the status has room for.
const maxNamed = 10

// fallback returns the state of spec.fallback and the floor that it holds, if any.
//
//	(none) ──bad──► Suspect ──bad for after──► Engaged ──good──► Recovering ──good for max(after, window)──► (none)
//	   ▲───────── good for two syncs ─┘           └◄───────────────bad───────────┘
//
// A sync that tells nothing changes nothing: a raised minimum alone causes one. It is
// left behind for good where nobody renews the floor for an hour, and at once where the
// target was set to 0.
func (e *evaluation) fallback() (*v1alpha1.FallbackState, *v1alpha1.Floor) {
	if e.Fallback == nil || e.health.Disabled {
		return nil, nil
	}
	state := e.advance(e.Status.Fallback.DeepCopy())
	if state == nil || state.Phase == v1alpha1.Suspect {
		return state, nil
	}
	held := e.stored(FallbackOwner)
	if held == nil {
		held = &v1alpha1.Floor{Owner: FallbackOwner, Since: metav1.NewTime(e.now)}
	}
	held.Since = e.past(held.Since)
	held.Value = e.Fallback.Min
	held.Reason = "by fallback: cannot read " + strings.Join(state.Metrics, ", ")
	if state.Phase == v1alpha1.Recovering {
		held.Reason = "by fallback: metrics are back since " + Local(state.Since.UTC())
	}
	if !e.renewed(held) {
		return nil, nil
	}
	return state, held
}

// renewed gives a floor that has no end of its own another hour, where the HPA says how
// its metrics are. It is false for one whose hour has passed unseen.
func (e *evaluation) renewed(held *v1alpha1.Floor) bool {
	left, known := held.Expires.Sub(e.now), e.health.State != Unknown
	switch {
	case held.Expires.IsZero(), known && (e.due() || left < renew/2 || left > renew):
		held.Expires = metav1.NewTime(e.now.Add(renew))
	case !known && left <= 0:
		return false
	}
	if known {
		e.wake(held.Expires.Add(-renew / 2).Add(time.Second))
	} else {
		e.wake(held.Expires.Time)
	}
	return true
}

// due says whether any such floor is to be renewed: one write does for all.
func (e *evaluation) due() bool {
	for _, owner := range []string{FallbackOwner, OutageOwner} {
		if f := e.stored(owner); f != nil && f.Expires.Sub(e.now) < renew/2 {
			return true
		}
	}
	return false
}

// advance makes the next state of the last one, nil for none.
func (e *evaluation) advance(s *v1alpha1.FallbackState) *v1alpha1.FallbackState {
	after := cmp.Or(e.Fallback.After.Duration, defaultAfter)
	now := metav1.NewTime(e.now)
	bad := e.health.State == Bad
	if s != nil {
		s.Since = e.past(s.Since)
		if s.Good != nil {
			*s.Good = e.past(*s.Good)
		}
	}
	switch {
	case s == nil && !bad, e.health.State == Unknown:
		return s
	case s == nil:
		s = &v1alpha1.FallbackState{Phase: v1alpha1.Suspect, Since: now}
		// The HPA may have said so before we looked. Not while the target was at 0 or the
		// like: the condition does not move when only its reason changes.
		c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.MetricsAvailable)
		if unknown := c != nil && c.Status == metav1.ConditionUnknown; !unknown && !e.health.Since.IsZero() && e.health.Since.Before(e.now) {
			s.Since = metav1.NewTime(e.health.Since.UTC())
		}
	case s.Phase == v1alpha1.Suspect && !bad:
		if s.Good == nil {
			s.Good = &now
		}
		if settled := s.Good.Add(2 * e.Sync); !e.reached(settled) {
			return s
		}
		return nil
	case s.Phase == v1alpha1.Engaged && !bad:
		s = &v1alpha1.FallbackState{Phase: v1alpha1.Recovering, Since: now}
	case s.Phase == v1alpha1.Recovering && bad:
		s = &v1alpha1.FallbackState{Phase: v1alpha1.Engaged, Since: now}
	}
	if bad {
		s.Good = nil
		if !e.health.Blank || len(s.Metrics) == 0 {
			s.Metrics = e.health.Missing[:min(len(e.health.Missing), maxNamed)]
		}
	}
	switch {
	case s.Phase == v1alpha1.Suspect && e.reached(s.Since.Add(after)):
		s.Phase, s.Since = v1alpha1.Engaged, now
	case s.Phase == v1alpha1.Recovering && e.reached(s.Since.Add(max(after, window(e.Down)))):
		return nil
	}
	return s
}

// reached says whether it is t or later, and otherwise sees to it that somebody looks
// again then.
func (e *evaluation) reached(t time.Time) bool {
	e.wake(t)
	return !e.now.Before(t)
}

// Outlook says what fallback is going to do, in words; empty if nothing.
func Outlook(s *v1alpha1.FallbackState, f *v1alpha1.Fallback) string {
	if s == nil || f == nil {
		return ""
	}
	switch s.Phase {
	case v1alpha1.Suspect:
		return fmt.Sprintf("fallback holds %d pods from %s on", f.Min, Local(s.Since.Add(cmp.Or(f.After.Duration, defaultAfter)).UTC()))
	case v1alpha1.Engaged:
		return fmt.Sprintf("fallback holds %d pods meanwhile", f.Min)
	}
	return ""
}
