package cli

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/query"
)

// checker knows what a policy is judged by.
type checker struct {
	capabilities hpa.Capabilities
	queries      query.Settings
	// namespace is that of policies that name none.
	namespace string
}

// build returns the HPA of a policy without its floors, and everything that can be said
// about the policy without a cluster. The HPA is nil where a problem is an Error.
func (c checker) build(p *v1alpha1.AutoscalingPolicy) (*autoscalingv2.HorizontalPodAutoscaler, []hpa.Problem) {
	built, found := hpa.Build(p, nil, c.capabilities)
	_, problems := floor.Compile(p.Spec.Schedules)
	found = hpa.Merge(found, problems)
	for i, o := range p.Spec.Objectives {
		if o.Query == nil {
			continue
		}
		_, problems := c.queries.Compile(c.orDefault(p.Namespace), o.Query.Expr)
		for _, q := range problems {
			found = append(found, hpa.Problem{Level: hpa.Error, Field: fmt.Sprintf("spec.objectives[%d].query.expr", i), Message: q.Message, Remedy: q.Remedy})
		}
	}
	if hpa.Failed(found) {
		return nil, found
	}
	return built, found
}

// orDefault is the namespace of an object that may name none.
func (c checker) orDefault(namespace string) string {
	switch {
	case namespace != "":
		return namespace
	case c.namespace != "":
		return c.namespace
	}
	return metav1.NamespaceDefault
}
