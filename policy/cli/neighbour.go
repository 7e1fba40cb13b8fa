package cli

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
)

// neighbours are policies that belong together by what only one may have: a name, and a
// target. The values tell people which one has it.
type neighbours map[string]string

// add returns what a policy has that another one had before it. It is in d, or in no file
// where that is nil; rename is how another name is given.
func (n neighbours) add(d *manifest.Document, namespace string, p *v1alpha1.AutoscalingPolicy, rename string) []hpa.Problem {
	var found []hpa.Problem
	take := func(key, field, message, remedy string) {
		if first, taken := n[key]; taken {
			found = append(found, hpa.Problem{Level: hpa.Error, Field: field, Message: first + message, Remedy: remedy})
			return
		}
		n[key] = fmt.Sprintf("the policy of the %s %s", p.Spec.TargetRef.Kind, p.Spec.TargetRef.Name)
		if d != nil {
			n[key] = fmt.Sprintf("the policy at %s:%d", d.File, d.Line(field))
		}
	}
	take(fmt.Sprintf("name %s/%s", namespace, p.Name), "metadata.name", " has the same name", rename)
	t := p.Spec.TargetRef
	// A target is one whatever the version that it is named by, as for the HPA controller.
	group := schema.FromAPIVersionAndKind(t.APIVersion, t.Kind).Group
	take(fmt.Sprintf("target %s/%s/%s/%s", namespace, group, t.Kind, t.Name), "spec.targetRef",
		" scales the same target", "keep one of them: two HPAs would undo each other's changes")
	return found
}
