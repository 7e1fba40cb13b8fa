package hpa

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Check returns what is wrong or doubtful about p whatever the cluster.
func Check(p *v1alpha1.AutoscalingPolicy) []Problem {
	var found problems
	if len(p.Spec.Objectives) == 0 {
		found.refuse(field.NewPath("spec", "objectives"), "there is no objective", "give at least one")
	}
	return found
}

// unsupported returns what a cluster refuses or drops.
func unsupported(p *v1alpha1.AutoscalingPolicy, c Capabilities) []Problem {
	return nil
}
