package cli

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
)

// neighbours are the policies of some files by what only one may have: a name, and a
// target. The values are places in the files.
type neighbours map[string]string

// add returns what a policy has that another one had before it.
func (n neighbours) add(d manifest.Document, namespace string, p *v1alpha1.AutoscalingPolicy) []hpa.Problem {
	var found []hpa.Problem
	take := func(key, field, message, remedy string) {
		if first, taken := n[key]; taken {
			found = append(found, hpa.Problem{Level: hpa.Error, Field: field, Message: fmt.Sprintf(message, first), Remedy: remedy})
			return
		}
		n[key] = fmt.Sprintf("%s:%d", d.File, d.Line(field))
	}
	take(fmt.Sprintf("name %s/%s", namespace, p.Name), "metadata.name", "the policy at %s has the same name", "rename one of them")
	t := p.Spec.TargetRef
	// A target is one whatever the version that it is named by, as for the HPA controller.
	group := schema.FromAPIVersionAndKind(t.APIVersion, t.Kind).Group
	take(fmt.Sprintf("target %s/%s/%s/%s", namespace, group, t.Kind, t.Name), "spec.targetRef",
		"the policy at %s scales the same target", "keep one of them: two HPAs would undo each other's changes")
	return found
}
