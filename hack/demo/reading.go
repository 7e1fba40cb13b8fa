package demo

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// ReadPolicy returns what an AutoscalingPolicy says of itself, and whether h is its own.
func ReadPolicy(p *v1alpha1.AutoscalingPolicy, h *autoscalingv2.HorizontalPodAutoscaler) Policy {
	read := Policy{
		Made: metav1.IsControlledBy(h, p),
		Min:  p.Spec.Replicas.Min,
	}
	for _, f := range p.Status.Floors {
		read.Floors = append(read.Floors, Floor{Owner: f.Owner, Value: f.Value, Until: f.Expires.UTC()})
	}
	if r := p.Status.Release; r != nil {
		read.Floors = append(read.Floors, Floor{Owner: floor.ReleaseOwner, Value: r.Value})
	}
	for _, c := range p.Status.Conditions {
		read.Conditions = append(read.Conditions, Condition{
			Type: c.Type, True: c.Status == metav1.ConditionTrue, Reason: c.Reason, Message: c.Message,
		})
	}
	return read
}

// Read returns what a HorizontalPodAutoscaler says of itself. It looks at the
// first metric, which must be of type Pods or External with an average value,
// as Remind Me's are. The target's replicas and the policy are not part of it.
func Read(h *autoscalingv2.HorizontalPodAutoscaler) Scaler {
	s := Scaler{
		Name: h.Name, Min: 1, Max: h.Spec.MaxReplicas, Desired: h.Status.DesiredReplicas,
	}
	if h.Spec.MinReplicas != nil {
		s.Min = *h.Spec.MinReplicas
	}
	for _, c := range h.Status.Conditions {
		s.Conditions = append(s.Conditions, Condition{
			Type: string(c.Type), True: c.Status == corev1.ConditionTrue, Reason: c.Reason, Message: hpa.Readable(c.Message),
		})
	}
	if len(h.Spec.Metrics) == 0 {
		return s
	}
	var target *autoscalingv2.MetricTarget
	switch m := h.Spec.Metrics[0]; {
	case m.Pods != nil:
		s.Metric, s.Unit, target = m.Pods.Metric.Name, "a pod", &m.Pods.Target
	case m.External != nil:
		s.Metric, s.Unit, target = m.External.Metric.Name, "a pod", &m.External.Target
	}
	if target != nil && target.AverageValue != nil {
		s.Target = target.AverageValue.AsApproximateFloat64()
	}
	// The status keeps the last value when the metric cannot be had any more.
	if active := s.condition(string(autoscalingv2.ScalingActive)); !active.True || len(h.Status.CurrentMetrics) == 0 {
		return s
	}
	var current *autoscalingv2.MetricValueStatus
	switch m := h.Status.CurrentMetrics[0]; {
	case m.Pods != nil:
		current = &m.Pods.Current
	case m.External != nil:
		current = &m.External.Current
	}
	if current != nil && current.AverageValue != nil {
		s.Known, s.Value = true, current.AverageValue.AsApproximateFloat64()
	}
	return s
}
