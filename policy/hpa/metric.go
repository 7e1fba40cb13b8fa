package hpa

import (
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// What an objective means that names no metric, and the label by which a queue is one.
const (
	RequestRateMetric = "http_requests_per_second"
	QueueMetric       = "reminder_queue_depth"
	QueueLabel        = "queue"
	// QueryPrefix begins the name of every query's metric.
	QueryPrefix = "loadline-query."
)

// QueryMetric returns the name under which a policy's query is served as an external
// metric. A query's name has no dot, so the last one divides.
func QueryMetric(policy, query string) string {
	return QueryPrefix + policy + "." + query
}

// OfQueries returns the names of the metrics of an HPA that are queries of policies. The
// adapter serves them only while the policy is in the cluster.
func OfQueries(metrics []autoscalingv2.MetricSpec) []string {
	var names []string
	for _, m := range metrics {
		if m.External != nil && strings.HasPrefix(m.External.Metric.Name, QueryPrefix) {
			names = append(names, m.External.Metric.Name)
		}
	}
	return names
}

// Metrics returns what the HPA of p reads, one for each objective in its order. An
// objective without a source, which Check refuses, has none.
func Metrics(p *v1alpha1.AutoscalingPolicy) []autoscalingv2.MetricSpec {
	metrics := make([]autoscalingv2.MetricSpec, 0, len(p.Spec.Objectives))
	for i := range p.Spec.Objectives {
		if m, ok := metricOf(p.Name, &p.Spec.Objectives[i]); ok {
			metrics = append(metrics, m)
		}
	}
	return metrics
}

func metricOf(policy string, o *v1alpha1.Objective) (autoscalingv2.MetricSpec, bool) {
	switch {
	case o.RequestRate != nil:
		r := o.RequestRate
		return podsMetric(identifier(r.Metric, RequestRateMetric, r.Selector), &r.PerPod), true
	case o.Queue != nil:
		q := o.Queue
		selector := q.Selector
		if selector == nil && q.Name != "" {
			selector = &metav1.LabelSelector{MatchLabels: map[string]string{QueueLabel: q.Name}}
		}
		// AverageValue divides by the number of pods. Value multiplies by that of the
		// ready ones, so that pods which add nothing yet would ask for more of them.
		return externalMetric(identifier(q.Metric, QueueMetric, selector), target(&q.PerPod, nil)), true
	case o.CPU != nil:
		return resourceMetric(corev1.ResourceCPU, o.CPU), true
	case o.Memory != nil:
		return resourceMetric(corev1.ResourceMemory, o.Memory), true
	case o.Custom != nil:
		c := o.Custom
		if c.Object == nil {
			return podsMetric(identifier(c.Metric, "", c.Selector), c.PerPod), true
		}
		return autoscalingv2.MetricSpec{
			Type: autoscalingv2.ObjectMetricSourceType,
			Object: &autoscalingv2.ObjectMetricSource{
				DescribedObject: reference(c.Object.APIVersion, c.Object.Kind, c.Object.Name),
				Metric:          identifier(c.Metric, "", c.Selector),
				Target:          target(c.PerPod, c.Value),
			},
		}, true
	case o.External != nil:
		e := o.External
		return externalMetric(identifier(e.Metric, "", e.Selector), target(e.PerPod, e.Value)), true
	case o.Query != nil:
		q := o.Query
		return externalMetric(identifier(QueryMetric(policy, q.Name), "", nil), target(q.PerPod, q.Value)), true
	}
	return autoscalingv2.MetricSpec{}, false
}

func reference(apiVersion, kind, name string) autoscalingv2.CrossVersionObjectReference {
	return autoscalingv2.CrossVersionObjectReference{APIVersion: apiVersion, Kind: kind, Name: name}
}

func identifier(name, otherwise string, selector *metav1.LabelSelector) autoscalingv2.MetricIdentifier {
	if name == "" {
		name = otherwise
	}
	return autoscalingv2.MetricIdentifier{Name: name, Selector: selector.DeepCopy()}
}

func podsMetric(id autoscalingv2.MetricIdentifier, perPod *resource.Quantity) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.PodsMetricSourceType,
		Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: target(perPod, nil)},
	}
}

func externalMetric(id autoscalingv2.MetricIdentifier, t autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: t},
	}
}

func resourceMetric(name corev1.ResourceName, r *v1alpha1.Resource) autoscalingv2.MetricSpec {
	t := target(r.PerPod, nil)
	if r.Utilization != nil {
		percentage := *r.Utilization
		t = autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percentage}
	}
	if r.Container != "" {
		return autoscalingv2.MetricSpec{
			Type:              autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: r.Container, Target: t},
		}
	}
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: t},
	}
}

// target takes the one that is set.
func target(perPod, value *resource.Quantity) autoscalingv2.MetricTarget {
	if value != nil {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: copyOf(value)}
	}
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: copyOf(perPod)}
}

func copyOf(q *resource.Quantity) *resource.Quantity {
	if q == nil {
		return nil
	}
	c := q.DeepCopy()
	return &c
}
