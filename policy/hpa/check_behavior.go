package hpa

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Limits of an HPA's behavior (validation.go).
const (
	maxPeriod = 1800 // seconds
	maxWindow = 3600 // seconds
)

// minWindow is how long the HPA remembers what it was asked for when it scales down,
// in seconds. It is Kubernetes' own default; with less, one gap in the load or one lost
// scrape takes the pods away.
const minWindow = 300

// pace checks profile and behavior.
func (p *problems) pace(spec *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	oneOf(p, spec.Child("profile"), s.Profile, v1alpha1.Steady, v1alpha1.Balanced, v1alpha1.Responsive)
	at := spec.Child("behavior")
	if s.Behavior == nil {
		return
	}
	if s.Profile != "" {
		p.refuse(at, "there are both profile and behavior", "give one of the two")
	}
	p.scaling(at.Child("scaleUp"), s.Behavior.ScaleUp)
	p.scaling(at.Child("scaleDown"), s.Behavior.ScaleDown)
	down := complete(s.Behavior.ScaleDown, defaultScaleDown())
	if *down.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		return
	}
	at = at.Child("scaleDown")
	if w := *down.StabilizationWindowSeconds; w >= 0 && w < minWindow {
		p.warnf(at.Child("stabilizationWindowSeconds"), "give 300 or more",
			"with %d seconds a longer gap in the load takes the pods away", w)
	}
	if next, _ := Step(maxReplicas, s.Behavior.ScaleDown); next == 0 {
		p.warn(at.Child("policies"), "they let all pods go at once when a floor ends or a metric comes back",
			"give a percentage below 100, such as 25 in 30 seconds, or a number of pods")
	}
}

// scaling checks the rules of one direction as validation.go does; the schema does not.
func (p *problems) scaling(at *field.Path, r *autoscalingv2.HPAScalingRules) {
	if r == nil {
		return
	}
	if w := r.StabilizationWindowSeconds; w != nil {
		p.within(at.Child("stabilizationWindowSeconds"), *w, 0, maxWindow)
	}
	if s := r.SelectPolicy; s != nil {
		if *s == "" {
			p.refuse(at.Child("selectPolicy"), "it is empty", "give Max, Min or Disabled, or leave it out")
		}
		oneOf(p, at.Child("selectPolicy"), *s, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect)
	}
	if r.Policies != nil && len(r.Policies) == 0 {
		p.refuse(at.Child("policies"), "the list is empty", "leave it out for Kubernetes' default, or give a policy")
	}
	for i, one := range r.Policies {
		at := at.Child("policies").Index(i)
		if one.Type != autoscalingv2.PodsScalingPolicy && one.Type != autoscalingv2.PercentScalingPolicy {
			p.refuse(at.Child("type"), fmt.Sprintf("%q is unknown", string(one.Type)), "give Pods or Percent")
		}
		if one.Value <= 0 {
			p.refusef(at.Child("value"), "give a number above 0", "%d allows no change", one.Value)
		}
		p.within(at.Child("periodSeconds"), one.PeriodSeconds, 1, maxPeriod)
	}
	if t := r.Tolerance; t != nil && t.Sign() < 0 {
		p.refusef(at.Child("tolerance"), "give 0 or more, such as 0.05", "%s is no tolerance", t)
	}
}
