package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/loadline/loadline/policy/hpa"
)

// Add puts an object into the snapshot; one of a kind that no check reads is left out.
// Workloads of API versions that are gone, such as extensions/v1beta1, are read as those
// that took their place. The error says why the object is none of its kind. The
// snapshot keeps u where it is of a kind without a Go type here.
func (s *Snapshot) Add(u *unstructured.Unstructured) error {
	if at := endless(u.Object, ""); at != "" {
		return &FieldError{Field: at, Text: "its exponent is out of range"}
	}
	switch CurrentKind(u.GroupVersionKind().GroupKind()) {
	case Deployment:
		return convert(u, &s.Deployments)
	case StatefulSet:
		return convert(u, &s.StatefulSets)
	case ReplicaSet:
		return convert(u, &s.ReplicaSets)
	case DaemonSet:
		return convert(u, &s.DaemonSets)
	case ReplicationController:
		return convert(u, &s.ReplicationControllers)
	case Job:
		return convert(u, &s.Jobs)
	case CronJob:
		return convert(u, &s.CronJobs)
	case Pod:
		return convert(u, &s.Pods)
	case Service:
		return convert(u, &s.Services)
	case ResourceQuota:
		return convert(u, &s.Quotas)
	case LimitRange:
		return convert(u, &s.LimitRanges)
	case PodDisruptionBudget:
		return convert(u, &s.Budgets)
	case AutoscalingPolicy:
		return convert(u, &s.Policies)
	case HorizontalPodAutoscaler:
		return s.addHPA(u)
	case Definition:
		return s.addDefinition(u)
	}
	if custom(u.GroupVersionKind().Group) {
		s.Others = append(s.Others, u)
	}
	return nil
}

// convert appends an object to those of its type.
func convert[T any](u *unstructured.Unstructured, to *[]*T) error {
	object := new(T)
	if err := read(u.Object, object); err != nil {
		return err
	}
	*to = append(*to, object)
	return nil
}

// FieldError is an object that is none of its kind.
type FieldError struct {
	// Field is where; empty if that is not known.
	Field string
	Text  string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

// read fills a typed object in. The error is a *FieldError.
func read(from map[string]any, to any) error {
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(from, to)
	if err == nil {
		return nil
	}
	// It is fast, and does not say where; encoding/json does.
	text, failed := json.Marshal(from)
	if failed != nil {
		return &FieldError{Text: err.Error()}
	}
	var wrong *json.UnmarshalTypeError
	switch again := json.Unmarshal(text, to); {
	case errors.As(again, &wrong):
		return &FieldError{Field: wrong.Field, Text: fmt.Sprintf("it is a %s, and has to be a %s", wrong.Value, wrong.Type)}
	case again != nil:
		return &FieldError{Text: again.Error()}
	}
	return &FieldError{Text: err.Error()}
}

// custom says whether a group is not of Kubernetes itself, whose other kinds no check
// reads and no HPA can scale.
func custom(group string) bool {
	return strings.Contains(group, ".") && (!strings.HasSuffix(group, ".k8s.io") || group == "autoscaling.k8s.io" || strings.HasSuffix(group, ".x-k8s.io"))
}

// addHPA reads every version that there ever was of one. The metrics of v2beta1 have
// another shape, which is not read.
func (s *Snapshot) addHPA(u *unstructured.Unstructured) error {
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	version := u.GroupVersionKind().Version
	switch version {
	case "v1":
		old := &autoscalingv1.HorizontalPodAutoscaler{}
		if err := read(u.Object, old); err != nil {
			return err
		}
		h = fromV1(old)
	case "v2beta1":
		bare := runtime.DeepCopyJSON(u.Object)
		unstructured.RemoveNestedField(bare, "spec", "metrics")
		unstructured.RemoveNestedField(bare, "status")
		if err := read(bare, h); err != nil {
			return err
		}
	default:
		if err := read(u.Object, h); err != nil {
			return err
		}
	}
	if version != "v2" {
		if s.Written == nil {
			s.Written = map[string]string{}
		}
		s.Written[h.Namespace+"/"+h.Name] = version
	}
	s.HPAs = append(s.HPAs, h)
	return nil
}

// fromV1 is what the API server makes of an HPA of autoscaling/v1 without annotations.
func fromV1(old *autoscalingv1.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{TypeMeta: old.TypeMeta, ObjectMeta: old.ObjectMeta}
	t := old.Spec.ScaleTargetRef
	h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: t.APIVersion, Kind: t.Kind, Name: t.Name}
	h.Spec.MinReplicas, h.Spec.MaxReplicas = old.Spec.MinReplicas, old.Spec.MaxReplicas
	if n := old.Spec.TargetCPUUtilizationPercentage; n != nil {
		h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: n},
		}}}
	}
	return h
}

func (s *Snapshot) addDefinition(u *unstructured.Unstructured) error {
	group, _, err := unstructured.NestedString(u.Object, "spec", "group")
	if err != nil {
		return err
	}
	kind, _, err := unstructured.NestedString(u.Object, "spec", "names", "kind")
	if err != nil {
		return err
	}
	d := CustomDefinition{Name: u.GetName(), Kind: Kind(kind + "." + group)}
	versions, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "versions")
	list, _ := versions.([]any)
	for _, v := range list {
		version, ok := v.(map[string]any)
		if !ok {
			continue
		}
		name, _, _ := unstructured.NestedString(version, "name")
		served, _, _ := unstructured.NestedBool(version, "served")
		_, scale, _ := unstructured.NestedFieldNoCopy(version, "subresources", "scale")
		path, _, _ := unstructured.NestedString(version, "subresources", "scale", "labelSelectorPath")
		d.Versions = append(d.Versions, CustomVersion{Name: name, Served: served, Scale: scale, Selector: path != ""})
	}
	s.Definitions = append(s.Definitions, d)
	return nil
}

// endless is where a value would take minutes to be read as a quantity.
func endless(value any, at string) string {
	switch v := value.(type) {
	case map[string]any:
		for k, in := range v {
			if found := endless(in, strings.TrimPrefix(mapField(at, k), ".")); found != "" {
				return found
			}
		}
	case []any:
		for i, in := range v {
			if found := endless(in, path(at, i)); found != "" {
				return found
			}
		}
	case string:
		if len(v) > 5 && len(v) < 64 && hpa.Endless(v) {
			return at
		}
	}
	return ""
}
