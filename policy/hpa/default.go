package hpa

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

// serverDefaults fills spec in as SetDefaults_HorizontalPodAutoscaler in defaults.go
// does. Unlike withDefaults it leaves an absent behavior absent, and an absent
// scale-down window to the controller manager.
func serverDefaults(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
	if spec.MinReplicas == nil {
		spec.MinReplicas = ptr.To[int32](1)
	}
	if len(spec.Metrics) == 0 {
		spec.Metrics = []autoscalingv2.MetricSpec{DefaultMetric()}
	}
	if spec.Behavior == nil {
		return
	}
	spec.Behavior.ScaleUp = complete(spec.Behavior.ScaleUp, defaultScaleUp())
	down := defaultScaleDown()
	down.StabilizationWindowSeconds = nil
	spec.Behavior.ScaleDown = complete(spec.Behavior.ScaleDown, down)
}

// DefaultMetric returns what an HPA follows that names no metric: 80 % of the CPU that
// its pods request (DefaultCPUUtilization in pkg/apis/autoscaling/annotations.go).
func DefaultMetric() autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{
			Name:   corev1.ResourceCPU,
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](80)},
		},
	}
}

// respell gives equal quantities one spelling: 0.5 and 500m, 1Gi and 1073741824. One
// that is too tall for an HPA stays as it is.
func respell(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
	one := func(q *resource.Quantity) {
		if q != nil && !tall(q) {
			*q = *resource.NewDecimalQuantity(*q.AsDec(), resource.DecimalSI)
		}
	}
	for i := range spec.Metrics {
		if t := TargetOf(&spec.Metrics[i]); t != nil {
			one(t.Value)
			one(t.AverageValue)
		}
	}
	if b := spec.Behavior; b != nil {
		for _, r := range []*autoscalingv2.HPAScalingRules{b.ScaleUp, b.ScaleDown} {
			if r != nil {
				one(r.Tolerance)
			}
		}
	}
}

// TargetOf returns where a metric's target is; nil for a metric without a source.
func TargetOf(m *autoscalingv2.MetricSpec) *autoscalingv2.MetricTarget {
	switch {
	case m.Resource != nil:
		return &m.Resource.Target
	case m.ContainerResource != nil:
		return &m.ContainerResource.Target
	case m.Pods != nil:
		return &m.Pods.Target
	case m.Object != nil:
		return &m.Object.Target
	case m.External != nil:
		return &m.External.Target
	}
	return nil
}

// Defaulted returns a copy of a spec as the API server completes it. A scale-down window that
// it leaves open is the controller manager's to choose.
func Defaulted(spec *autoscalingv2.HorizontalPodAutoscalerSpec) *autoscalingv2.HorizontalPodAutoscalerSpec {
	full := spec.DeepCopy()
	serverDefaults(full)
	return full
}
