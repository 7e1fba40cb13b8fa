package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

const (
	maxLines = 20
	// refusedLine begins the line of status.plan that has the API server's words.
	refusedLine = "the API server refuses it: "
)

// dryRun says what would be written and leaves the HPA as it is, floors included: the
// status goes on explaining its minimum.
func (d *decision) dryRun() {
	d.ready = finding{reason: DryRunMode, state: StateDryRun, message: "nothing is written: status.plan says what would be. Set mode to Enforce to have it done"}
	d.build()
	d.lines = slices.Concat(d.differences(), d.wouldReplace(), d.wouldSwitch())
	switch {
	case d.Refused != nil:
		d.lines = append(d.lines, refusedLine+clip(d.Refused.Message))
	case d.stored.ObservedGeneration != d.Policy.Generation:
		// Once for each spec the API server is asked what it thinks of it.
		d.action = &Action{Kind: DryRun, HPA: d.want, Why: "mode DryRun"}
		if d.Live != nil {
			d.action.ResourceVersion = d.Live.ResourceVersion
		}
	default:
		d.lines = append(d.lines, slices.DeleteFunc(slices.Clone(d.stored.Plan), func(l string) bool { return !strings.HasPrefix(l, refusedLine) })...)
	}
	if n := len(d.lines); n > maxLines {
		d.lines = append(d.lines[:maxLines-1], fmt.Sprintf("and %d more", n-maxLines+1))
	}
}

// disown has the owner reference of our HPA follow spec.deletionPolicy in mode DryRun, too:
// once the policy is deleted it is too late. Nothing else of the HPA changes.
func (d *decision) disown() {
	if !ours(d.Snapshot) || d.Refused != nil {
		return
	}
	live := d.Live.DeepCopy()
	owned, is := d.Policy.Spec.DeletionPolicy != v1alpha1.Orphan, slices.ContainsFunc(live.OwnerReferences, hpa.IsPolicy)
	if owned == is {
		return
	}
	// It is done, not only planned.
	d.lines = slices.DeleteFunc(d.lines, func(l string) bool { return l == "change metadata.ownerReferences" })
	if d.action != nil { // the question of this mode, once for each spec
		d.wake(d.now.Add(time.Second))
		return
	}
	if d.asItIs(live); !d.nearZero() {
		d.action = &Action{Kind: Apply, HPA: d.want, ResourceVersion: live.ResourceVersion, Paths: []string{"metadata.ownerReferences"}, Why: "deletionPolicy has changed"}
	}
}

// differences says in a line each what would change.
func (d *decision) differences() []string {
	min := ptr.Deref(d.want.Spec.MinReplicas, 1)
	bounds := fmt.Sprintf("min %d (%s), max %d", min, d.whyMin(), d.want.Spec.MaxReplicas)
	if d.Live == nil {
		var by []string
		for _, m := range d.want.Spec.Metrics {
			by = append(by, floor.Name(m))
		}
		return []string{fmt.Sprintf("create the HPA %s for the %s %s: %s, by %s", d.want.Name,
			d.want.Spec.ScaleTargetRef.Kind, d.want.Spec.ScaleTargetRef.Name, bounds, strings.Join(by, ", "))}
	}
	mine, foreign := hpa.Differences(d.want, d.Live)
	var lines []string
	if d.adopt {
		lines = append(lines, "take over the HPA "+d.Live.Name)
	}
	for _, path := range mine {
		if path == minPath {
			lines = append(lines, fmt.Sprintf("change %s from %d to %d (%s)", path, ptr.Deref(d.Live.Spec.MinReplicas, 1), min, d.whyMin()))
			continue
		}
		lines = append(lines, d.change(path))
	}
	for _, path := range foreign {
		lines = append(lines, "remove "+path)
	}
	return lines
}

// maxValue keeps a line of the plan readable: a selector may have long values.
const maxValue = 100

// change says what becomes of a field of the HPA.
func (d *decision) change(path string) string {
	line := "change " + path
	if is, to := hpa.ValueAt(d.Live, path), hpa.ValueAt(d.want, path); to != "" {
		if is != "" {
			line += " from " + cut(is, maxValue)
		}
		line += " to " + cut(to, maxValue)
	}
	if cuts := d.cut(); path == "spec.maxReplicas" && cuts != "" {
		line += ", which " + cuts
	}
	return line
}

// refuse says what the API server answered.
func (d *decision) refuse() {
	d.ready = finding{reason: ApplyRejected, state: StateInvalid, message: "the API server refuses the HPA: " + clip(d.Refused.Message)}
	if d.Refused.Conflict {
		d.ready = finding{reason: ApplyConflict, state: StateConflict, conflict: true, message: "another manager owns fields of the HPA: " + clip(d.Refused.Message)}
		d.conflict = &finding{reason: FieldOwner, message: d.ready.message}
	}
}
