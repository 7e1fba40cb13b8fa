package guard

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/quota"
)

// request is what a container asks for of a resource, as the API server fills it in; false
// if that is nothing.
func (w *world) request(namespace string, c *corev1.Container, of corev1.ResourceName) (resource.Quantity, bool) {
	return quota.Request(w.limits[namespace], c, of)
}

// unrequested are the fields of the containers of a pod that have no request, as
// calculatePodRequestsFromContainers (replica_calculator.go:516) counts them: with the
// sidecars, and for one container only if it is named.
func (w *world) unrequested(namespace string, spec *corev1.PodSpec, at string, of corev1.ResourceName, container string) (fields []string, names []string) {
	if container == "" && spec.Resources != nil && len(spec.Resources.Requests) > 0 {
		// The pod's own requests count in the containers' place.
		return nil, nil
	}
	look := func(list string, i int, c *corev1.Container) {
		if container != "" && c.Name != container {
			return
		}
		if _, ok := w.request(namespace, c, of); !ok {
			fields, names = append(fields, path(at, list, i)+".resources.requests."+string(of)), append(names, c.Name)
		}
	}
	for i := range spec.Containers {
		look("containers", i, &spec.Containers[i])
	}
	for i := range spec.InitContainers {
		if quota.Sidecar(&spec.InitContainers[i]) {
			look("initContainers", i, &spec.InitContainers[i])
		}
	}
	return fields, names
}

// podRequest is what a pod asks for of a resource.
func (w *world) podRequest(namespace string, spec *corev1.PodSpec, of corev1.ResourceName) resource.Quantity {
	return quota.Entry{Of: of}.PerPod(w.limits[namespace], spec)
}
