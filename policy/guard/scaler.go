package guard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// scaler is an HPA, or what becomes one: an AutoscalingPolicy or a ScaledObject.
type scaler struct {
	// Object is what somebody wrote.
	Object
	meta *metav1.ObjectMeta
	// hpa is it as an HPA. Its metrics are never empty but where unread.
	hpa *autoscalingv2.HorizontalPodAutoscaler
	// version is that of autoscaling in which an HPA is written.
	version string
	// unread: its metrics are in a version that is not read.
	unread bool
	// unwritten: it names no metric, so that the HPA has Kubernetes' default.
	unwritten bool
	policy    *v1alpha1.AutoscalingPolicy // where it is one
	keda      bool                        // it is a ScaledObject, which wakes its target from 0 itself

	target key       // what it scales
	of     *workload // the same, nil if it is not here or of a kind that is not looked into
}

// min is the least size.
func (s *scaler) min() int32 {
	if s.hpa.Spec.MinReplicas == nil {
		return 1
	}
	return *s.hpa.Spec.MinReplicas
}

func (s *scaler) max() int32 { return s.hpa.Spec.MaxReplicas }

// kindName is how a message names what is scaled.
func (s *scaler) targetName() string {
	r := s.hpa.Spec.ScaleTargetRef
	return r.Kind + " " + r.Name
}

// field is where the user wrote what is in an HPA's field.
func (s *scaler) field(of string) string {
	for _, pair := range s.fields() {
		rest, ok := strings.CutPrefix(of, pair[0])
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		if pair[0] == "spec.metrics" && strings.HasPrefix(rest, "[") {
			// What is inside has other names there.
			rest, _, _ = strings.Cut(rest, "]")
			rest += "]"
		}
		if strings.HasSuffix(pair[1], "!") {
			return strings.TrimSuffix(pair[1], "!")
		}
		return pair[1] + rest
	}
	return of
}

// fields are pairs of an HPA's field and the one it comes of. ! takes the place of what
// follows.
func (s *scaler) fields() [][2]string {
	switch {
	case s.policy != nil:
		behavior := "spec.behavior"
		if s.policy.Spec.Behavior == nil {
			behavior = "spec.profile!"
		}
		return [][2]string{
			{"spec.scaleTargetRef", "spec.targetRef"}, {"spec.minReplicas", "spec.replicas.min"}, {"spec.maxReplicas", "spec.replicas.max"},
			{"spec.metrics", "spec.objectives"}, {"spec.behavior", behavior},
		}
	case s.keda:
		return [][2]string{
			{"spec.minReplicas", "spec.minReplicaCount"}, {"spec.maxReplicas", "spec.maxReplicaCount"},
			{"spec.metrics", "spec.triggers"}, {"spec.behavior", "spec.advanced.horizontalPodAutoscalerConfig.behavior"},
		}
	case s.version == "v1":
		return [][2]string{{"spec.metrics", "spec.targetCPUUtilizationPercentage!"}}
	case s.unwritten:
		return [][2]string{{"spec.metrics", "spec.metrics!"}}
	}
	return nil
}

// metricField is where the user wrote a field of a metric's target.
func (s *scaler) metricField(i int, of string) string {
	m := &s.hpa.Spec.Metrics[i]
	source := map[autoscalingv2.MetricSourceType]string{
		autoscalingv2.ResourceMetricSourceType: "resource", autoscalingv2.ContainerResourceMetricSourceType: "containerResource",
		autoscalingv2.PodsMetricSourceType: "pods", autoscalingv2.ObjectMetricSourceType: "object", autoscalingv2.ExternalMetricSourceType: "external",
	}[m.Type]
	return s.field(fmt.Sprintf("spec.metrics[%d].%s.%s", i, source, of))
}

// targetObject is what is scaled, or would be if it were there.
func (s *scaler) targetObject() Object {
	t := s.hpa.Spec.ScaleTargetRef
	return Object{APIVersion: t.APIVersion, Kind: t.Kind, Namespace: s.Namespace, Name: t.Name}
}

func scalers(s *Snapshot) []*scaler {
	var all []*scaler
	// A policy's HPA has its name; of the two the policy is what somebody writes.
	byPolicy := map[string]*scaler{}
	for _, p := range s.Policies {
		one := ofPolicy(p)
		byPolicy[p.Namespace+"/"+p.Name] = one
		all = append(all, one)
	}
	objects, made := scaledObjects(s)
	all = append(all, objects...)
	for _, h := range s.HPAs {
		if one := byPolicy[h.Namespace+"/"+h.Name]; one != nil {
			h.Status.DeepCopyInto(&one.hpa.Status)
			one.hpa.Generation, one.hpa.ManagedFields = h.Generation, h.ManagedFields
			continue
		}
		if made[h.Namespace+"/"+h.Name] || ownedBy(h, "ScaledObject") {
			continue
		}
		all = append(all, ofHPA(s, h))
	}
	return all
}

func ownedBy(h *autoscalingv2.HorizontalPodAutoscaler, kind string) bool {
	return slices.ContainsFunc(h.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == kind })
}

func ofHPA(s *Snapshot, h *autoscalingv2.HorizontalPodAutoscaler) *scaler {
	version := "v2"
	if v := s.Written[h.Namespace+"/"+h.Name]; v != "" {
		version = v
	}
	one := &scaler{Object: object("autoscaling/"+version, "HorizontalPodAutoscaler", &h.ObjectMeta), meta: &h.ObjectMeta, hpa: h, version: version, unread: version == "v2beta1"}
	if len(h.Spec.Metrics) == 0 && !one.unread {
		one.hpa, one.unwritten = h.DeepCopy(), true
		one.hpa.Spec.Metrics = []autoscalingv2.MetricSpec{hpa.DefaultMetric()}
	}
	return one
}

// ofPolicy takes what hpa.Build makes of a policy on a cluster with all features. Of
// one with errors there is what can be told.
func ofPolicy(p *v1alpha1.AutoscalingPolicy) *scaler {
	all := hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true}
	built, _ := hpa.Build(p, nil, all)
	if built == nil {
		t := p.Spec.TargetRef
		built = &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: hpa.Metadata(p)}
		built.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: t.APIVersion, Kind: t.Kind, Name: t.Name},
			MinReplicas:    ptr.To(p.Spec.Replicas.Min), MaxReplicas: p.Spec.Replicas.Max,
			Metrics: hpa.Metrics(p), Behavior: hpa.Behavior(&p.Spec, all),
		}
	}
	return &scaler{Object: object(v1alpha1.GroupVersion.String(), v1alpha1.Kind, &p.ObjectMeta), meta: &p.ObjectMeta, hpa: built, version: "v2", policy: p}
}

// reference is what a scaler scales, as the HPA controller reads it: it maps group and
// kind, and the version plays no part (horizontal.go:857-862).
func reference(h *autoscalingv2.HorizontalPodAutoscaler) key {
	t := h.Spec.ScaleTargetRef
	gvk := schema.FromAPIVersionAndKind(t.APIVersion, t.Kind)
	return key{kind: KindOf(gvk.GroupKind()), namespace: h.Namespace, name: t.Name}
}

// utilization says whether a metric is a share of what pods request, of which resource,
// and of which container; all if it names none.
func utilization(m *autoscalingv2.MetricSpec) (of corev1.ResourceName, container string, ok bool) {
	switch {
	case m.Resource != nil && m.Resource.Target.AverageUtilization != nil:
		return m.Resource.Name, "", true
	case m.ContainerResource != nil && m.ContainerResource.Target.AverageUtilization != nil:
		return m.ContainerResource.Name, m.ContainerResource.Container, true
	}
	return "", "", false
}

// valueMetrics are the indices of the metrics that multiply the number of ready pods:
// Object and External with a target of type Value.
func (s *scaler) valueMetrics() []int {
	var all []int
	for i := range s.hpa.Spec.Metrics {
		m := &s.hpa.Spec.Metrics[i]
		if (m.Object != nil && m.Object.Target.Value != nil) || (m.External != nil && m.External.Target.Value != nil) {
			all = append(all, i)
		}
	}
	return all
}

// metricName is what a metric is called.
func metricName(m *autoscalingv2.MetricSpec) string {
	switch {
	case m.Resource != nil:
		return string(m.Resource.Name)
	case m.ContainerResource != nil:
		return string(m.ContainerResource.Name)
	case m.Pods != nil:
		return m.Pods.Metric.Name
	case m.Object != nil:
		return m.Object.Metric.Name
	case m.External != nil:
		return m.External.Metric.Name
	}
	return ""
}

func path(parts ...any) string {
	var b strings.Builder
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(p) + "]")
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(p)
		}
	}
	return b.String()
}
