package convert

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// objective returns what a metric at a path is in a policy; false if it cannot be said,
// which is then among the problems.
func (p *problems) objective(at *field.Path, m *autoscalingv2.MetricSpec) (v1alpha1.Objective, bool) {
	before := len(*p)
	o := v1alpha1.Objective{}
	switch {
	case m.Type == autoscalingv2.ResourceMetricSourceType && m.Resource != nil:
		p.resource(at.Child("resource"), &o, m.Resource.Name, "", m.Resource.Target)
	case m.Type == autoscalingv2.ContainerResourceMetricSourceType && m.ContainerResource != nil:
		c := m.ContainerResource
		if c.Container == "" {
			p.refuse(at.Child("containerResource", "container"), "it is missing", "give it")
		}
		p.resource(at.Child("containerResource"), &o, c.Name, c.Container, c.Target)
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		p.pods(at.Child("pods"), &o, m.Pods)
	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		p.object(at.Child("object"), &o, m.Object)
	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		p.external(at.Child("external"), &o, m.External)
	default:
		p.refuse(at.Child("type"), fmt.Sprintf("%q has no source of its name beside it", string(m.Type)), "give one of Resource, ContainerResource, Pods, Object, External, and its field")
	}
	if n := sources(m); n > 1 {
		p.refuse(at, fmt.Sprintf("it has %d sources", n), "give the one that type names")
	}
	return o, len(*p) == before
}

func sources(m *autoscalingv2.MetricSpec) (n int) {
	for _, set := range []bool{m.Resource != nil, m.ContainerResource != nil, m.Pods != nil, m.Object != nil, m.External != nil} {
		if set {
			n++
		}
	}
	return n
}

func (p *problems) resource(at *field.Path, o *v1alpha1.Objective, name corev1.ResourceName, container string, t autoscalingv2.MetricTarget) {
	r := &v1alpha1.Resource{Container: container}
	switch {
	case t.Value != nil || (t.AverageUtilization == nil) == (t.AverageValue == nil):
		p.refuse(at.Child("target"), "it needs one target", "give exactly one of averageUtilization, averageValue")
	case t.AverageUtilization != nil:
		r.Utilization = t.AverageUtilization
	default:
		r.PerPod = t.AverageValue
	}
	switch name {
	case corev1.ResourceCPU:
		o.CPU = r
	case corev1.ResourceMemory:
		o.Memory = r
	default:
		p.refuse(at.Child("name"), fmt.Sprintf("a policy knows cpu and memory, not %q", string(name)), "keep this HPA, or follow another metric")
	}
}

func (p *problems) pods(at *field.Path, o *v1alpha1.Objective, m *autoscalingv2.PodsMetricSource) {
	t := m.Target
	if t.AverageValue == nil || t.Value != nil || t.AverageUtilization != nil {
		p.refuse(at.Child("target"), "a metric of pods has an average", "give averageValue and nothing else")
		return
	}
	if m.Metric.Name == hpa.RequestRateMetric {
		o.RequestRate = &v1alpha1.RequestRate{PerPod: *t.AverageValue, Selector: m.Metric.Selector}
		return
	}
	o.Custom = &v1alpha1.Custom{Metric: m.Metric.Name, Selector: m.Metric.Selector, PerPod: t.AverageValue}
}

func (p *problems) object(at *field.Path, o *v1alpha1.Objective, m *autoscalingv2.ObjectMetricSource) {
	d := m.DescribedObject
	if d.APIVersion == "" {
		p.refuse(at.Child("describedObject", "apiVersion"), "it is missing", "give it, such as v1")
	}
	perPod, value := p.total(at.Child("target"), m.Target)
	o.Custom = &v1alpha1.Custom{
		Metric: m.Metric.Name, Selector: m.Metric.Selector, PerPod: perPod, Value: value,
		Object: &v1alpha1.ObjectReference{APIVersion: d.APIVersion, Kind: d.Kind, Name: d.Name},
	}
}

func (p *problems) external(at *field.Path, o *v1alpha1.Objective, m *autoscalingv2.ExternalMetricSource) {
	if policy, ok := queryOf(m.Metric.Name); ok {
		p.refuse(at.Child("metric", "name"), fmt.Sprintf("it is a query of the policy %s, and the HPA does not have its expression", policy), "copy the objective query from there")
		return
	}
	perPod, value := p.total(at.Child("target"), m.Target)
	if s := m.Metric.Selector; m.Metric.Name == hpa.QueueMetric && perPod != nil && isQueue(s) {
		o.Queue = &v1alpha1.Queue{Name: s.MatchLabels[hpa.QueueLabel], PerPod: *perPod}
		return
	}
	o.External = &v1alpha1.External{Metric: m.Metric.Name, Selector: m.Metric.Selector, PerPod: perPod, Value: value}
}

// isQueue reports whether a selector is the one that a queue's name makes.
func isQueue(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchExpressions) == 0 && len(s.MatchLabels) == 1 && s.MatchLabels[hpa.QueueLabel] != ""
}

// total returns the target of a metric that is one number for all pods.
func (p *problems) total(at *field.Path, t autoscalingv2.MetricTarget) (perPod, value *resource.Quantity) {
	switch {
	case t.AverageUtilization != nil || (t.AverageValue == nil) == (t.Value == nil):
		p.refuse(at, "it needs one target", "give exactly one of averageValue, value")
	case t.AverageValue != nil && t.Type != autoscalingv2.AverageValueMetricType, t.Value != nil && t.Type != autoscalingv2.ValueMetricType:
		p.refuse(at.Child("type"), fmt.Sprintf("%q is not what the target beside it is", string(t.Type)), "give AverageValue with averageValue, or Value with value")
	}
	return t.AverageValue, t.Value
}
