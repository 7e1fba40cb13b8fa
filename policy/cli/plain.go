package cli

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// plain returns an HPA as somebody would write it: without status, and without the
// labels, annotations and owner by which Loadline knows its own.
func plain(h *autoscalingv2.HorizontalPodAutoscaler) (*unstructured.Unstructured, error) {
	h = h.DeepCopy()
	h.ObjectMeta = metav1.ObjectMeta{Name: h.Name, Namespace: h.Namespace}
	return withoutStatus(h)
}

// withoutStatus returns an object as it is written in a file.
func withoutStatus(object runtime.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u, nil
}
