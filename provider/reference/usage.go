package reference

import (
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// Usage returns what the HPA controller's reads of CPU and memory need, whether the HPA has
// a target for one of them or for both: metrics.k8s.io answers with both, for all pods of a
// namespace alike.
func Usage(hpa *autoscalingv2.HorizontalPodAutoscaler) []metric.Identifier {
	if !slices.ContainsFunc(hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.Type == autoscalingv2.ResourceMetricSourceType || m.Type == autoscalingv2.ContainerResourceMetricSourceType
	}) {
		return nil
	}
	id := metric.Identifier{API: metric.Resource, Metric: metric.CPU, Namespace: hpa.Namespace, Resource: schema.GroupResource{Resource: "pods"}}
	memory := id
	memory.Metric = metric.Memory
	return []metric.Identifier{id, memory}
}
