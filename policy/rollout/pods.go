package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Template is that of the pods of a workload; nil where it has none, or is of another kind.
func Template(o any) *corev1.PodTemplateSpec {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return &w.Spec.Template
	case *appsv1.StatefulSet:
		return &w.Spec.Template
	case *appsv1.ReplicaSet:
		return &w.Spec.Template
	case *corev1.ReplicationController:
		return w.Spec.Template
	}
	return nil
}

// Pods are the labels that the pods of a workload have, and the selector by which it finds
// them. A selector that the API would refuse matches nothing, as that of another kind.
func Pods(o any) (of map[string]string, selector labels.Selector) {
	if t := Template(o); t != nil {
		of = t.Labels
	}
	var s *metav1.LabelSelector
	switch w := o.(type) {
	case *appsv1.Deployment:
		s = w.Spec.Selector
	case *appsv1.StatefulSet:
		s = w.Spec.Selector
	case *appsv1.ReplicaSet:
		s = w.Spec.Selector
	case *corev1.ReplicationController:
		if len(w.Spec.Selector) > 0 {
			return of, labels.SelectorFromSet(w.Spec.Selector)
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(s) // that of nil matches nothing
	if err != nil {
		selector = labels.Nothing()
	}
	return of, selector
}
