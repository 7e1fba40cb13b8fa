package guard

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// request is what a container asks for of a resource as the API server fills it in: its
// request, its limit, or what a LimitRange of the namespace gives to those that say
// nothing. False if that is nothing.
func (w *world) request(namespace string, c *corev1.Container, of corev1.ResourceName) (resource.Quantity, bool) {
	for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
		if q, ok := list[of]; ok {
			return q.DeepCopy(), true
		}
	}
	for _, l := range w.limits[namespace] {
		for _, item := range l.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			// SetDefaults_LimitRangeItem (pkg/apis/core/v1/defaults.go) in its order.
			for _, list := range []corev1.ResourceList{item.DefaultRequest, item.Default, item.Max, item.Min} {
				if q, ok := list[of]; ok {
					return q.DeepCopy(), true
				}
			}
		}
	}
	return resource.Quantity{}, false
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
		if sidecar(&spec.InitContainers[i]) {
			look("initContainers", i, &spec.InitContainers[i])
		}
	}
	return fields, names
}

// podRequest is what the scheduler and a quota count for a pod: the sum of its
// containers and sidecars or, if that is more, one of its init containers.
func (w *world) podRequest(namespace string, spec *corev1.PodSpec, of corev1.ResourceName) resource.Quantity {
	var sum, most resource.Quantity
	if spec.Resources != nil {
		if q, ok := spec.Resources.Requests[of]; ok {
			return q.DeepCopy()
		}
	}
	for i := range spec.Containers {
		if q, ok := w.request(namespace, &spec.Containers[i], of); ok {
			sum.Add(q)
		}
	}
	for i := range spec.InitContainers {
		q, ok := w.request(namespace, &spec.InitContainers[i], of)
		switch {
		case !ok:
		case sidecar(&spec.InitContainers[i]):
			sum.Add(q)
		case q.Cmp(most) > 0:
			most = q
		}
	}
	if most.Cmp(sum) > 0 {
		return most
	}
	return sum
}
