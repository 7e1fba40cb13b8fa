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
// accident: then we leave them alone for fightPause, try once, and pause again. Until
// forget has passed in peace, a condition names the fields.
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
var asWanted = []string{Applied, Paused, AtZero, NotFound, TargetUnreadable, HPAStopped, ScaleRefused, Fight}

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

// quarrel returns the rewrites that still count: those of the policy as it is, as whoever
// changes it has settled what was before, and none that was long ago.
func (d *decision) quarrel() (times []metav1.Time, fields []string) {
	was := d.stored.HPA
	if was == nil || len(was.Rewrites) == 0 || d.stored.ObservedGeneration != d.Policy.Generation {
		return nil, nil
	}
	last := was.Rewrites[len(was.Rewrites)-1]
	if age := d.now.Sub(last.Time); age >= forget || age < -forget {
		return nil, nil
	}
	return slices.Clone(was.Rewrites), slices.Clone(was.Rewritten)
}

// rewrites returns the rewrites so far with that of now, if there is one, and the
// fields. Another field than before is a person at work, and begins a new count; but
// while a fight pauses it joins in, so that it is put right once and not again and again.
func (d *decision) rewrites() (times []metav1.Time, fields []string) {
	times, fields = d.quarrel()
	var changed []string
	switch {
	case d.raisedByHand() && !d.pauses:
		changed = []string{minPath}
	case d.action != nil && (d.action.Kind == Apply || d.action.Kind == RemoveFields):
		changed = d.rewritten
	}
	switch {
	case len(changed) == 0:
		return times, fields
	case d.pauses:
		return times, fewer(append(fields, changed...))
	case !slices.ContainsFunc(changed, func(f string) bool { return slices.Contains(fields, f) }):
		times = nil
	}
	times = append(times, metav1.NewTime(d.now))
	return times[max(0, len(times)-maxRewrites):], fewer(changed)
}

// fewer leaves one of each part of a spec, where there are more fields than are kept.
func fewer(fields []string) []string {
	if len(fields) <= maxFields {
		return fields
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(fields, func(path string) bool {
		was := seen[part(path)]
		seen[part(path)] = true
		return was
	})
}

// part is the field of a spec that a path leads through.
func part(path string) string {
	rest := strings.TrimPrefix(path, "spec.")
	if i := strings.IndexAny(rest, ".["); i >= 0 {
		rest = rest[:i]
	}
	return "spec." + rest
}

// fight sees to the condition as long as a fight may still go on, which is longer than a
// pause: the one try after it has settled nothing yet. In a pause, what the fight is about
// is left as it is; paths are the fields that are not as we want them. The rest, and a
// floor above all, is written all the same.
func (d *decision) fight(paths []string) {
	times, fields := d.quarrel()
	if len(times) < maxRewrites {
		return
	}
	last := times[len(times)-1].UTC()
	until := last.Add(fightPause)
	d.wake(last.Add(forget))
	d.pauses = d.now.Before(until) && !until.After(d.now.Add(fightPause))
	f := finding{reason: Fight, state: StateConflict, conflict: true, message: fmt.Sprintf(
		"somebody else keeps writing %s of the HPA: find who with kubectl get hpa %s --show-managed-fields -o yaml, and stop it there; the policy says it all. ",
		clip(strings.Join(fields, ", ")), d.Live.Name)}
	if d.pauses {
		d.wake(until)
		f.message += "Loadline tries again at " + until.Format("15:04 MST")
	} else {
		f.message += "Loadline has written it again at " + last.Format("15:04 MST")
	}
	d.conflict = &f
	if !d.pauses {
		return
	}
	var left []string
	for _, path := range fields {
		left = append(left, part(path))
	}
	if slices.ContainsFunc(paths, func(path string) bool { return slices.Contains(left, part(path)) }) {
		d.leave(left)
		d.ready = f
	}
}

// leave gives what is applied the parts of the spec that the HPA has.
func (d *decision) leave(parts []string) {
	d.want = d.want.DeepCopy()
	want, is := &d.want.Spec, d.Live.DeepCopy().Spec
	for _, p := range parts {
		switch p {
		case minPath:
			want.MinReplicas, d.minLeft = ptr.To(ptr.Deref(is.MinReplicas, 1)), true
		case "spec.maxReplicas":
			want.MaxReplicas = is.MaxReplicas
		case "spec.scaleTargetRef":
			want.ScaleTargetRef = is.ScaleTargetRef
		case "spec.metrics":
			want.Metrics = is.Metrics
		case "spec.behavior":
			want.Behavior = is.Behavior
		}
	}
	// The API server refuses a minimum above the maximum, whosever that is.
	want.MinReplicas = ptr.To(min(*want.MinReplicas, want.MaxReplicas))
}
