package decide

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// What follows stands for policy/hpa until that is there.

// Capabilities of the cluster.
type Capabilities struct{ ScaleToZero bool }

func build(p *v1alpha1.AutoscalingPolicy) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: p.Namespace,
			Labels:      map[string]string{"app.kubernetes.io/managed-by": "loadline", "loadline.dev/policy": p.Name},
			Annotations: map[string]string{"loadline.dev/policy-uid": string(p.UID)},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: p.Spec.TargetRef.APIVersion, Kind: p.Spec.TargetRef.Kind, Name: p.Spec.TargetRef.Name,
			},
			MinReplicas: ptr.To(p.Spec.Replicas.Min), MaxReplicas: p.Spec.Replicas.Max,
		},
	}
	for _, o := range p.Spec.Objectives {
		if o.RequestRate == nil {
			continue
		}
		h.Spec.Metrics = append(h.Spec.Metrics, autoscalingv2.MetricSpec{
			Type: autoscalingv2.PodsMetricSourceType,
			Pods: &autoscalingv2.PodsMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "http_requests_per_second"},
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(o.RequestRate.PerPod.DeepCopy())},
			},
		})
	}
	return h
}

func differs(want, live *autoscalingv2.HorizontalPodAutoscaler) bool {
	return live == nil || !equality.Semantic.DeepDerivative(want.Spec, live.Spec)
}
