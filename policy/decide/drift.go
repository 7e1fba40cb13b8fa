package decide

import (
	"slices"
	"strings"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// drifted says whether the spec of our HPA is not what the policy says, and stays so after
// what is done about it now: in mode DryRun, in a fight, where a conflict or the API server's
// refusal keeps us from writing, or near zero. The minimum does not count, for floors move it.
// Of a policy that is wrong nobody knows what it says, and a paused one says to leave the HPA
// as it is.
func (d *decision) drifted() bool {
	if !ours(d.Snapshot) || d.plain == nil || d.depends || d.Policy.Spec.Mode == v1alpha1.Paused {
		return false
	}
	after := d.Live
	if d.action != nil {
		switch d.action.Kind {
		case Apply:
			after = d.action.HPA
		case RemoveFields:
			return false // what is removed is all that differs
		}
	}
	want := d.plain.DeepCopy()
	want.Spec.MinReplicas = after.Spec.MinReplicas
	mine, foreign := hpa.Differences(want, after)
	return len(foreign) > 0 || slices.ContainsFunc(mine, func(path string) bool { return strings.HasPrefix(path, "spec.") })
}
