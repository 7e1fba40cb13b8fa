package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Pods are the labels that the pods of a workload have, and the selector by which it finds
// them. A selector that the API would refuse matches nothing, as that of another kind.
func Pods(o any) (of map[string]string, selector labels.Selector) {
	var s *metav1.LabelSelector
	switch w := o.(type) {
	case *appsv1.Deployment:
		of, s = w.Spec.Template.Labels, w.Spec.Selector
	case *appsv1.StatefulSet:
		of, s = w.Spec.Template.Labels, w.Spec.Selector
	case *appsv1.ReplicaSet:
		of, s = w.Spec.Template.Labels, w.Spec.Selector
	case *corev1.ReplicationController:
		if w.Spec.Template != nil {
			of = w.Spec.Template.Labels
		}
		if len(w.Spec.Selector) > 0 {
			return of, labels.SelectorFromSet(w.Spec.Selector)
		}
		return of, labels.Nothing()
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		selector = labels.Nothing()
	}
	return of, selector
}
