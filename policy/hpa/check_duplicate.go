package hpa

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// duplicates refuses two objectives that read one metric: the HPA would follow the
// stricter of the two, and its status could not be told apart.
func (p *problems) duplicates(at *field.Path, policy *v1alpha1.AutoscalingPolicy) {
	rate, queries, metrics := -1, map[string]int{}, map[string]int{}
	for i := range policy.Spec.Objectives {
		o := &policy.Spec.Objectives[i]
		set := kindsOf(o)
		if len(set) != 1 {
			continue
		}
		if o.RequestRate != nil {
			if rate >= 0 {
				p.refusef(at, "a second metric of the pods is an objective custom", "objectives %d and %d are both requestRate", rate, i)
				continue
			}
			rate = i
		}
		if o.Query != nil {
			if j, twice := queries[o.Query.Name]; twice {
				p.refusef(at, "rename one", "objectives %d and %d are both queries of the name %s", j, i, o.Query.Name)
				continue
			}
			queries[o.Query.Name] = i
		}
		m, _ := metricOf(policy.Name, o)
		key := identity(&m)
		j, twice := metrics[key]
		switch {
		case strings.Contains(key, unreadable): // said already
		case twice:
			p.refusef(at.Index(i).Child(set[0]), "keep the one with the lower target, since of two the HPA takes what asks for more pods",
				"objectives %d (%s) and %d (%s) read the same metric", j, kindsOf(&policy.Spec.Objectives[j])[0], i, set[0])
		default:
			metrics[key] = i
		}
	}
}

// unreadable is what FormatLabelSelector makes of a selector that is none.
const unreadable = "<error>"

// identity is what a metric is, whatever its target: two of one identity are the same.
func identity(m *autoscalingv2.MetricSpec) string {
	switch {
	case m.Resource != nil:
		return fmt.Sprintf("resource %s", m.Resource.Name)
	case m.ContainerResource != nil:
		return fmt.Sprintf("resource %s of %s", m.ContainerResource.Name, m.ContainerResource.Container)
	case m.Pods != nil:
		return "pods " + named(&m.Pods.Metric)
	case m.Object != nil:
		o := m.Object.DescribedObject
		return fmt.Sprintf("%s %s %s %s", o.APIVersion, o.Kind, o.Name, named(&m.Object.Metric))
	case m.External != nil:
		return "external " + named(&m.External.Metric)
	}
	return ""
}

// named writes a selector in one order. One that is empty selects as much as none:
// both ask with no selector at all (metrics/client.go).
func named(id *autoscalingv2.MetricIdentifier) string {
	if s := id.Selector; s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return id.Name
	}
	return id.Name + "{" + metav1.FormatLabelSelector(id.Selector) + "}"
}
