package cli

import (
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/policy/schedule"
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
	for i := range p.Spec.Schedules {
		found = append(found, scheduleProblems(i, &p.Spec.Schedules[i])...)
	}
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

// scheduleProblems is about cron and the time zone; hpa.Check has the rest.
func scheduleProblems(i int, s *v1alpha1.Schedule) []hpa.Problem {
	_, err := schedule.Compile(s.Start, s.Duration.Duration, s.TimeZone)
	var problem *schedule.Error
	if err == nil || errors.As(err, &problem) && problem.Field == "duration" {
		return nil
	}
	if problem == nil {
		problem = &schedule.Error{Field: "start", Text: err.Error()}
	}
	return []hpa.Problem{{Level: hpa.Error, Field: fmt.Sprintf("spec.schedules[%d].%s", i, problem.Field), Message: problem.Text}}
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
