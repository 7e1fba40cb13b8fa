package arithmetic

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/quota"
)

// requests are what pods request of a resource, in thousandths, by name. One pod without a
// request spoils it for all, even one that counts for nothing else (calculateRequests in
// replica_calculator.go).
func requests(pods []corev1.Pod, of corev1.ResourceName, container string) (map[string]int64, error) {
	all := make(map[string]int64, len(pods))
	for i := range pods {
		one := containersRequest
		if container == "" && podLevel(&pods[i]) {
			one = podRequest
		}
		milli, err := one(&pods[i], of, container)
		if err != nil {
			return nil, err
		}
		all[pods[i].Name] = milli
	}
	return all, nil
}

// containersRequest is the sum over the containers and sidecars of a pod, or that of the one
// named (calculatePodRequestsFromContainers). Init containers that end are not counted.
func containersRequest(pod *corev1.Pod, of corev1.ResourceName, container string) (int64, error) {
	var sum int64
	found := false
	for c := range containers(pod) {
		if container != "" && c.Name != container {
			continue
		}
		request, ok := c.Resources.Requests[of]
		if !ok {
			return 0, fmt.Errorf("container %s of pod %s requests no %s", c.Name, pod.Name, of)
		}
		sum, found = sum+request.MilliValue(), true
		if container != "" {
			break
		}
	}
	if container != "" && !found {
		return 0, fmt.Errorf("pod %s has no container %s", pod.Name, container)
	}
	return sum, nil
}

// containers are those that run as long as the pod.
func containers(pod *corev1.Pod) func(func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for i := range pod.Spec.Containers {
			if !yield(&pod.Spec.Containers[i]) {
				return
			}
		}
		for i := range pod.Spec.InitContainers {
			if c := &pod.Spec.InitContainers[i]; quota.Sidecar(c) && !yield(c) {
				return
			}
		}
	}
}

// podLevel says whether a pod has requests of its own (IsPodLevelRequestsSet in helpers.go).
func podLevel(pod *corev1.Pod) bool {
	if pod.Spec.Resources == nil {
		return false
	}
	for name := range pod.Spec.Resources.Requests {
		if forPods(name) {
			return true
		}
	}
	return false
}

// forPods says whether a pod, too, may request a resource (IsSupportedPodLevelResource).
func forPods(name corev1.ResourceName) bool {
	return slices.Contains([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}, name) ||
		strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// podRequest is what a pod that has requests of its own requests: its own, or for another
// resource what the scheduler counts of its containers, and its overhead
// (calculatePodLevelRequests, PodRequests in helpers.go).
func podRequest(pod *corev1.Pod, of corev1.ResourceName, _ string) (int64, error) {
	sum, found := scheduled(pod, of)
	if own, ok := pod.Spec.Resources.Requests[of]; ok && forPods(of) {
		sum, found = own.DeepCopy(), true
	}
	if overhead, ok := pod.Spec.Overhead[of]; ok {
		sum.Add(overhead)
		found = true
	}
	if !found {
		return 0, fmt.Errorf("pod %s, which has requests of its own, requests no %s", pod.Name, of)
	}
	return sum.MilliValue(), nil
}

// scheduled is what the scheduler counts of a pod's containers: the sum of those that run as
// long as the pod or, if that is more, the most that is needed while one of the others runs
// (aggregateContainerResourcesByFn in helpers.go). False if none requests the resource.
func scheduled(pod *corev1.Pod, of corev1.ResourceName) (resource.Quantity, bool) {
	var sum, sidecars, most resource.Quantity
	found := false
	for c := range containers(pod) {
		if request, ok := c.Resources.Requests[of]; ok {
			sum.Add(request)
			found = true
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		request, ok := c.Resources.Requests[of]
		found = found || ok
		need := sidecars.DeepCopy()
		need.Add(request)
		if quota.Sidecar(c) {
			sidecars = need.DeepCopy()
		}
		if need.Cmp(most) > 0 {
			most = need
		}
	}
	if most.Cmp(sum) > 0 {
		return most, found
	}
	return sum, found
}
