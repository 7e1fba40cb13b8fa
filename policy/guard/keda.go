package guard

import (
	"encoding/json"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// kedaSpec is what checks need of a ScaledObject. KEDA makes an HPA of it.
type kedaSpec struct {
	ScaleTargetRef  struct{ APIVersion, Kind, Name string }
	MinReplicaCount *int32
	MaxReplicaCount *int32
	Advanced        struct {
		HorizontalPodAutoscalerConfig struct {
			Name     string
			Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
		}
	}
	Triggers []struct {
		Type, MetricType string
		Metadata         map[string]string
	}
}

// scaledObjects returns the ScaledObjects of a snapshot, and the HPAs that KEDA makes of
// them, by namespace and name.
func scaledObjects(s *Snapshot) ([]*scaler, map[string]bool) {
	var all []*scaler
	made := map[string]bool{}
	for _, u := range s.Others {
		if KindOf(u.GroupVersionKind().GroupKind()) != ScaledObject {
			continue
		}
		one, name := ofScaledObject(u)
		all = append(all, one)
		made[one.Namespace+"/"+name] = true
	}
	return all, made
}

// ofScaledObject fills in KEDA's defaults. A spec that cannot be read is left as far as
// it went.
func ofScaledObject(u *unstructured.Unstructured) (*scaler, string) {
	var spec kedaSpec
	if raw, err := json.Marshal(u.Object["spec"]); err == nil {
		_ = json.Unmarshal(raw, &spec)
	}
	meta := &metav1.ObjectMeta{Namespace: u.GetNamespace(), Name: u.GetName(), Labels: u.GetLabels(), Annotations: u.GetAnnotations(), OwnerReferences: u.GetOwnerReferences()}
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: *meta.DeepCopy()}
	t := spec.ScaleTargetRef
	if t.Kind == "" {
		t.Kind = "Deployment"
	}
	if t.APIVersion == "" {
		t.APIVersion = "apps/v1"
	}
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: t.APIVersion, Kind: t.Kind, Name: t.Name}
	// KEDA's own defaults are 0 and 100; 0 is its work, and the HPA's least size is 1.
	h.Spec.MinReplicas, h.Spec.MaxReplicas = ptr.To[int32](1), 100
	if n := spec.MinReplicaCount; n != nil && *n > 0 {
		h.Spec.MinReplicas = n
	}
	if n := spec.MaxReplicaCount; n != nil {
		h.Spec.MaxReplicas = *n
	}
	h.Spec.Behavior = spec.Advanced.HorizontalPodAutoscalerConfig.Behavior
	for _, t := range spec.Triggers {
		h.Spec.Metrics = append(h.Spec.Metrics, trigger(t.Type, t.MetricType, t.Metadata))
	}
	name := spec.Advanced.HorizontalPodAutoscalerConfig.Name
	if name == "" {
		name = "keda-hpa-" + u.GetName()
	}
	return &scaler{Object: object(u.GetAPIVersion(), u.GetKind(), meta), meta: meta, hpa: h, version: "v2", keda: true}, name
}

// trigger is the metric that KEDA makes of a trigger. Of what it asks its source, only
// the metadata says anything.
func trigger(of, metricType string, metadata map[string]string) autoscalingv2.MetricSpec {
	if of == "cpu" || of == "memory" {
		source := &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceName(of)}
		switch n, err := strconv.ParseInt(metadata["value"], 10, 32); {
		case metricType == "AverageValue":
			source.Target = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewQuantity(n, resource.DecimalSI)}
		case err == nil:
			source.Target = autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To(int32(n))}
		}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: source}
	}
	one := resource.NewQuantity(1, resource.DecimalSI)
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: one}
	if metricType == "Value" {
		target = autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: one}
	}
	name := of
	for _, key := range []string{"metricName", "queueName", "queueURL", "topic", "listName"} {
		if v := metadata[key]; v != "" {
			name = strings.Join([]string{of, v}, "-")
			break
		}
	}
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: name}, Target: target,
	}}
}
