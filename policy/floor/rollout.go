package floor

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// deadline is for how long a rollout may stand still where the target's controller has no
// such bound: that of a Deployment that names none.
const deadline = 10 * time.Minute

// defaultMaxHold is that of spec.rollout.maxHold in the schema.
const defaultMaxHold = time.Hour

// rollout returns the state of the target's rollout and the floor that it holds, if any.
//
//	(none) ──new template, or old pods──► Progressing ◄──► Stalled
//	   ▲                                   │ complete        │ longer than maxHold
//	   │◄── metrics speak of now ── Settling               GivenUp ── complete ──► (none)
//
// The template tells a rollout from scaling, which makes and ends pods as well. What
// begins while another is on its way begins anew, and holds the larger of both sizes.
//
// Another target in the place of the last one, by the policy or because it was made anew
// under its name, is a rollout, too: what the last one had is held until that many pods
// of the new one serve. The HPA itself brings it there, for it jumps to its minimum.
func (e *evaluation) rollout() (*v1alpha1.RolloutState, *v1alpha1.Floor) {
	if e.Rollout != nil && e.Rollout.ScaleIn == v1alpha1.Allow {
		return nil, nil
	}
	was := e.stored(RolloutOwner)
	if e.Target == nil {
		return e.unseen(e.Status.Rollout.DeepCopy(), was)
	}
	s := e.rolling(e.Status.Rollout.DeepCopy())
	switch {
	case s.Phase == "" || s.Phase == v1alpha1.GivenUp:
		return s, nil
	case was == nil:
		was = &v1alpha1.Floor{Owner: RolloutOwner, Since: metav1.NewTime(e.now)}
		fallthrough
	case s.Started.Equal(ptr.To(metav1.NewTime(e.now))): // the first look at this revision
		was.Value = max(was.Value, min(e.begins(s), e.Max))
	}
	if was.Value == 0 || e.strands(was.Value) {
		return s, nil
	}
	was.Since = e.past(was.Since)
	ends := s.Started.Add(e.maxHold())
	was.Reason = fmt.Sprintf("while a new revision is rolled out, until %s at the latest", Local(ends.UTC()))
	if s.Phase == v1alpha1.Settling {
		ends = s.Since.Add(e.settle())
		was.Reason = fmt.Sprintf("until %s: the metrics may be those of the rollout, which is complete", Local(ends.UTC()))
	}
	was.Expires = metav1.NewTime(ends)
	return s, was
}

// rolling makes the next state of the last one.
func (e *evaluation) rolling(s *v1alpha1.RolloutState) *v1alpha1.RolloutState {
	v, now := e.Target, metav1.NewTime(e.now)
	s = e.identified(s)
	for _, t := range []*metav1.Time{s.Since, s.Started} {
		if t != nil {
			*t = e.past(*t)
		}
	}
	enter := func(p v1alpha1.RolloutPhase) {
		if s.Phase != p {
			s.Phase, s.Since = p, &now
		}
	}
	e.unmetered(s)
	if begun := v.Revision != s.Settled || v.Old > 0; s.Phase == "" && begun || s.Phase != "" && s.Revision != v.Revision {
		s.Revision, s.Started = v.Revision, &now
		s.Updated, s.ProgressedAt = 0, nil
		s.Unmetered, s.UnmeteredSince = nil, nil // that was another revision's
		enter(v1alpha1.Progressing)
	}
	switch {
	case s.Phase == "":
		return s
	case s.Phase == v1alpha1.Settling && v.Old > 0 && v.Observed:
		enter(v1alpha1.Progressing) // somebody has taken it back to pods of before
	}
	switch over := e.reached(s.Started.Add(e.maxHold())); {
	case s.Phase == v1alpha1.Settling:
		if e.reached(s.Since.Add(e.settle())) {
			return &v1alpha1.RolloutState{TargetUID: v.UID, Settled: v.Revision}
		}
	case e.complete(s) && len(s.Unmetered) > 0 && !over:
		enter(v1alpha1.Progressing) // its size is not known before its metrics are
	case e.complete(s) && s.Predecessor != nil && !over:
		// Its pods take a part of the load: the metrics say what the target needs only when
		// they are gone.
		e.whole = true
		enter(v1alpha1.Progressing)
	case e.complete(s) && s.Phase == v1alpha1.GivenUp:
		return &v1alpha1.RolloutState{TargetUID: v.UID, Settled: v.Revision}
	case e.complete(s):
		enter(v1alpha1.Settling)
		e.wake(e.now.Add(e.settle()))
	case over:
		s.Predecessor, s.PredecessorUID = nil, "" // it never had what it takes to do without
		enter(v1alpha1.GivenUp)
	case v.Waits != "" || e.standsStill(s):
		enter(v1alpha1.Stalled)
	default:
		enter(v1alpha1.Progressing)
	}
	return s
}

// standsStill says whether no pod of the new revision has come for too long, where nobody
// else says so: the pods of a StatefulSet are made one after the other, and wait for one
// that does not get ready for ever.
func (e *evaluation) standsStill(s *v1alpha1.RolloutState) bool {
	if !e.Target.NoDeadline {
		return false
	}
	switch {
	case s.ProgressedAt == nil || e.Target.Updated > s.Updated:
		s.Updated, s.ProgressedAt = e.Target.Updated, ptr.To(metav1.NewTime(e.now))
	default:
		*s.ProgressedAt = e.past(*s.ProgressedAt)
	}
	return e.reached(s.ProgressedAt.Add(deadline))
}

// unmetered keeps which metrics the new revision's pods do not have, and since when.
func (e *evaluation) unmetered(s *v1alpha1.RolloutState) {
	switch {
	case e.Unmetered == nil:
	case len(e.Unmetered) == 0:
		s.Unmetered, s.UnmeteredSince = nil, nil
	default:
		s.Unmetered = e.Unmetered
		if s.UnmeteredSince == nil {
			s.UnmeteredSince = ptr.To(metav1.NewTime(e.now))
		}
		*s.UnmeteredSince = e.past(*s.UnmeteredSince)
	}
}

// begins is the size from which a rollout begins: the target's, or that of the one in
// whose place it is, as the HPA saw it last.
func (e *evaluation) begins(s *v1alpha1.RolloutState) int32 {
	size := e.Target.Size
	if was := e.Status.Rollout; was != nil && was.TargetUID != s.TargetUID {
		if last := Size(e.Live); last != nil {
			size = max(size, *last)
		}
	}
	return size
}

// complete says whether the target is whole, and as large as what is held for it: right
// after a change of target the HPA has not brought it there yet.
func (e *evaluation) complete(s *v1alpha1.RolloutState) bool {
	size := e.begins(s)
	if held := e.stored(RolloutOwner); held != nil {
		size = max(size, held.Value)
	} else if e.Status.Rollout != nil && e.Status.Rollout.TargetUID == s.TargetUID {
		size = 0 // nothing is held
	}
	return e.Target.Complete() && (e.Target.Size == 0 || e.Target.Size >= min(size, e.Max))
}

// identified is the state of the target that is there: of another one in the place of the
// last it begins anew.
func (e *evaluation) identified(s *v1alpha1.RolloutState) *v1alpha1.RolloutState {
	v := e.Target
	switch {
	case s == nil: // at rest is what has no old pods, even if it starts its first ones
		s = &v1alpha1.RolloutState{TargetUID: v.UID}
		if v.Old == 0 {
			s.Settled = v.Revision
		}
	case s.TargetUID != v.UID:
		was := s.TargetUID
		s = &v1alpha1.RolloutState{TargetUID: v.UID}
		if e.Replaced != nil && was != "" {
			s.Predecessor, s.PredecessorUID = e.Replaced.DeepCopy(), was
		}
	}
	if e.Gone {
		s.Predecessor, s.PredecessorUID = nil, ""
	}
	return s
}

// switching is the floor of a switch, since when it is held.
func (e *evaluation) switching() *v1alpha1.Floor {
	f := e.Switch.DeepCopy()
	f.Owner, f.Since = SwitchOwner, metav1.NewTime(e.now)
	if was := e.stored(SwitchOwner); was != nil {
		f.Since = e.past(was.Since)
	}
	e.wake(f.Expires.Time)
	return f
}

// unseen keeps what is held for a target that cannot be seen, for as long as it was
// going to be.
func (e *evaluation) unseen(s *v1alpha1.RolloutState, was *v1alpha1.Floor) (*v1alpha1.RolloutState, *v1alpha1.Floor) {
	if was == nil || e.reached(was.Expires.Time) {
		return nil, nil
	}
	return s, was
}

// strands says whether to raise the minimum for a hold could strand the target at 0: the
// HPA may decide on it just now (see nearZero in package decide), and a hold is worth no
// such risk. With a minimum of 1 or more it never does.
func (e *evaluation) strands(value int32) bool {
	return e.Min == 0 && value < 2
}

func (e *evaluation) maxHold() time.Duration {
	if e.Rollout == nil || e.Rollout.MaxHold == nil {
		return defaultMaxHold
	}
	return e.Rollout.MaxHold.Duration
}

// settle is for how long after a rollout the metrics may still be those of pods that are
// gone, and the HPA may act on them.
func (e *evaluation) settle() time.Duration { return Settle(e.MetricWindow, e.Sync) }

// Settle is how long metrics that look back for a window, and an HPA that is synced once a
// period, take to know of what has changed.
func Settle(window, sync time.Duration) time.Duration { return max(window, 2*sync) }

// RollsOut says whether a target is of a kind whose pods are watched while they are
// replaced.
func RollsOut(t v1alpha1.TargetReference) bool {
	group, _, ok := strings.Cut(t.APIVersion, "/")
	switch t.Kind {
	case "Deployment", "StatefulSet", "ReplicaSet":
		return ok && group == appsv1.GroupName
	case "ReplicationController":
		return !ok
	}
	return false
}
