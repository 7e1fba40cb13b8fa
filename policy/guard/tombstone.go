package guard

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func selectorTombstone() Mode {
	return Mode{
		ID: 10, Name: "selector-tombstone", Severity: High,
		Summary: "an HPA whose target is gone or at 0 stops another one",
		Why: "the HPA controller keeps the last selector of each HPA until the HPA is deleted (horizontal.go:332-333,452): one whose target is gone, or at 0, " +
			"still counts as one of two on the pods of its successor",
		Remedy: "delete the HPA of the old workload before, or together with, the workload",
		Needs:  append([]Kind{HorizontalPodAutoscaler}, Workloads()...),
		Status: true,
		check: func(w *world, r *result) {
			dead := map[string][]Object{}
			for _, s := range w.scalers {
				there, known := w.exists(s.target)
				if known && !there || s.of != nil && s.of.size() == 0 {
					dead[s.Namespace] = append(dead[s.Namespace], s.Object)
				}
			}
			w.each(func(s *scaler, t *workload) {
				c := condition(s.hpa, autoscalingv2.ScalingActive)
				if c == nil || c.Status != corev1.ConditionFalse || c.Reason != "AmbiguousSelector" || w.overlapped(s) || len(dead[s.Namespace]) == 0 {
					return
				}
				var names []string
				for _, o := range dead[s.Namespace] {
					names = append(names, o.Name)
				}
				r.advise(s.Object, "status.conditions", fmt.Sprintf("it says AmbiguousSelector, although no other HPA with a running target matches its pods; without one are %s", strings.Join(names, ", ")),
					"delete the HPA that is left of the old workload: this one goes on at its next sync", dead[s.Namespace]...)
			})
		},
	}
}

// overlapped says whether another HPA's selector matches pods of this one's target now.
func (w *world) overlapped(s *scaler) bool {
	for _, other := range w.scaled.matching(s.Namespace, s.of.pods()) {
		if other != s && other.of.size() > 0 {
			return true
		}
	}
	return false
}

// condition is an HPA's condition of a type, nil if there is none.
func condition(h *autoscalingv2.HorizontalPodAutoscaler, of autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range h.Status.Conditions {
		if h.Status.Conditions[i].Type == of {
			return &h.Status.Conditions[i]
		}
	}
	return nil
}

func ownedByKind(o metav1.Object, kind string) bool {
	c := metav1.GetControllerOf(o)
	return c != nil && c.Kind == kind
}
