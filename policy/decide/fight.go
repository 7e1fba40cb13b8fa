package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Another writer of our fields is put right, and a third time in a row it is no
// accident: then we write no more for fightPause, try once, and pause again. What is
// left of a policy in a fight is a condition that names the fields.
const (
	maxRewrites = 3
	fightPause  = 10 * time.Minute
	// forget is after how long a rewrite has nothing to do with the next one.
	forget = 2 * fightPause
	// maxFields is how many of them are kept.
	maxFields = 10
)

// asWanted are the reasons of Ready with which the HPA was what the policy says, or
// would have been but for a fight.
var asWanted = []string{Applied, AtZero, NotFound, TargetUnreadable, Fight}

const minPath = "spec.minReplicas"

// foreignTo returns which of the fields that are not as we want them others have
// changed or added: all, where the policy is the same as when we wrote them last; the minimum
// and, in blue/green, the target, which we move ourselves, only where they are not what we
// wrote.
func (d *decision) foreignTo(paths []string) []string {
	ready := meta.FindStatusCondition(d.stored.Conditions, v1alpha1.Ready)
	was := d.stored.HPA
	if was == nil || ready == nil || was.UID != d.Live.UID || d.stored.ObservedGeneration != d.Policy.Generation || !slices.Contains(asWanted, ready.Reason) {
		return nil
	}
	before := v1alpha1.AutoscalingPolicy{Spec: d.Policy.Spec, Status: *d.stored}
	followed := sameTarget(d.Live.Spec.ScaleTargetRef, reference(&before))
	return slices.DeleteFunc(paths, func(path string) bool {
		// A write of ours whose end we did not live to see would otherwise count.
		return strings.HasPrefix(path, "metadata.") || followed && strings.HasPrefix(path, "spec.scaleTargetRef") ||
			path == minPath && was.Min != nil && *was.Min == ptr.Deref(d.Live.Spec.MinReplicas, 1)
	})
}

// rewrites returns the rewrites so far with that of now, if there is one, and the
// fields. Another field than before is a person at work, and begins a new count.
func (d *decision) rewrites() (times []metav1.Time, fields []string) {
	if d.stored.HPA != nil {
		times, fields = slices.Clone(d.stored.HPA.Rewrites), slices.Clone(d.stored.HPA.Rewritten)
	}
	if n := len(times); n > 0 && (d.now.Sub(times[n-1].Time) >= forget || times[n-1].After(d.now.Add(forget))) {
		times, fields = nil, nil
	}
	var changed []string
	switch {
	case d.raisedByHand():
		changed = []string{minPath}
	case d.action != nil && (d.action.Kind == Apply || d.action.Kind == RemoveFields):
		changed = d.rewritten
	}
	if len(changed) == 0 {
		return times, fields
	}
	if !slices.ContainsFunc(changed, func(f string) bool { return slices.Contains(fields, f) }) {
		times = nil
	}
	times = append(times, metav1.NewTime(d.now))
	return times[max(0, len(times)-maxRewrites):], changed[:min(len(changed), maxFields)]
}

// fighting says whether the HPA is left alone, and sees to the condition while a fight
// may still go on.
func (d *decision) fighting(differs bool) bool {
	was := d.stored.HPA
	if was == nil || len(was.Rewrites) < maxRewrites {
		return false
	}
	until := was.Rewrites[len(was.Rewrites)-1].Add(fightPause)
	if !d.now.Before(until) || until.After(d.now.Add(fightPause)) {
		return false
	}
	d.wake(until)
	f := finding{reason: Fight, state: StateConflict, conflict: true, message: fmt.Sprintf(
		"somebody else keeps writing %s of the HPA: find who with kubectl get hpa %s --show-managed-fields -o yaml, and stop it there; the policy says it all. Loadline tries again at %s",
		strings.Join(was.Rewritten, ", "), d.Live.Name, metav1.NewTime(until.UTC()).Format("15:04 MST"))}
	d.conflict = &f
	if !differs {
		return false
	}
	d.ready = f
	return true
}
