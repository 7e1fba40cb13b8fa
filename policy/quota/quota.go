// Package quota computes what pods take of what a namespace's ResourceQuotas limit.
package quota

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Pods stands for the number of pods, among the resources that a quota limits.
const Pods corev1.ResourceName = "pods"

// Entry is what one line of a quota's hard limits is about.
type Entry struct {
	Of corev1.ResourceName
	// Limits: it is about the limits of containers, not about their requests.
	Limits bool
}

func (e Entry) String() string {
	if e.Limits {
		return "limits of " + string(e.Of)
	}
	return string(e.Of)
}

// EntryOf reads the name of a line. False if it is not about what pods take.
func EntryOf(name corev1.ResourceName) (Entry, bool) {
	switch name {
	case corev1.ResourcePods, "count/pods":
		return Entry{Of: Pods}, true
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return Entry{Of: name}, true
	case corev1.ResourceRequestsStorage: // of PersistentVolumeClaims
		return Entry{}, false
	}
	if of, ok := strings.CutPrefix(string(name), "requests."); ok {
		return Entry{Of: corev1.ResourceName(of)}, true
	}
	if of, ok := strings.CutPrefix(string(name), "limits."); ok {
		return Entry{Of: corev1.ResourceName(of), Limits: true}, true
	}
	return Entry{}, false
}

// PerPod is what one pod takes of an entry: what the scheduler and a quota count, the sum
// of its containers and sidecars or, if that is more, one of its init containers. limits
// are the LimitRanges of its namespace, which fill in what it does not say.
func (e Entry) PerPod(limits []*corev1.LimitRange, spec *corev1.PodSpec) resource.Quantity {
	if e.Of == Pods {
		return *resource.NewQuantity(1, resource.DecimalSI)
	}
	if spec.Resources != nil {
		list := spec.Resources.Requests
		if e.Limits {
			list = spec.Resources.Limits
		}
		if q, ok := list[e.Of]; ok {
			return q.DeepCopy()
		}
	}
	of := Request
	if e.Limits {
		of = Limit
	}
	var sum, most resource.Quantity
	for i := range spec.Containers {
		if q, ok := of(limits, &spec.Containers[i], e.Of); ok {
			sum.Add(q)
		}
	}
	for i := range spec.InitContainers {
		q, ok := of(limits, &spec.InitContainers[i], e.Of)
		switch {
		case !ok:
		case Sidecar(&spec.InitContainers[i]):
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

// Sidecar says whether an init container runs as long as the pod.
func Sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Request is what a container asks for of a resource as the API server fills it in: its
// request, its limit, or what a LimitRange gives to those that say nothing. False if that
// is nothing.
func Request(limits []*corev1.LimitRange, c *corev1.Container, of corev1.ResourceName) (resource.Quantity, bool) {
	for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
		if q, ok := list[of]; ok {
			return q.DeepCopy(), true
		}
	}
	// SetDefaults_LimitRangeItem (pkg/apis/core/v1/defaults.go) in its order.
	return given(limits, of, func(l corev1.LimitRangeItem) []corev1.ResourceList {
		return []corev1.ResourceList{l.DefaultRequest, l.Default, l.Max, l.Min}
	})
}

// Limit is a container's limit, or what a LimitRange gives to those that say nothing.
// False if that is nothing.
func Limit(limits []*corev1.LimitRange, c *corev1.Container, of corev1.ResourceName) (resource.Quantity, bool) {
	if q, ok := c.Resources.Limits[of]; ok {
		return q.DeepCopy(), true
	}
	return given(limits, of, func(l corev1.LimitRangeItem) []corev1.ResourceList {
		return []corev1.ResourceList{l.Default, l.Max}
	})
}

// given is what the first LimitRange that says something gives to a container.
func given(limits []*corev1.LimitRange, of corev1.ResourceName, lists func(corev1.LimitRangeItem) []corev1.ResourceList) (resource.Quantity, bool) {
	for _, l := range limits {
		for _, item := range l.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for _, list := range lists(item) {
				if q, ok := list[of]; ok {
					return q.DeepCopy(), true
				}
			}
		}
	}
	return resource.Quantity{}, false
}

// Room is for how many more pods there is room.
type Room struct {
	Pods int32
	// Quota and Entry name what leaves no more, Left of it; a pod takes Each.
	Quota string
	Entry corev1.ResourceName
	Left  resource.Quantity
	Each  resource.Quantity
}

// RoomFor is the room for more pods of a spec in its namespace; nil where nothing bounds
// it. Quotas with scopes are left out: which pods are in them is not computed.
func RoomFor(quotas []corev1.ResourceQuota, limits []*corev1.LimitRange, spec *corev1.PodSpec) *Room {
	var least *Room
	for _, q := range quotas {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
			e, ok := EntryOf(name)
			if !ok {
				continue
			}
			each := e.PerPod(limits, spec)
			if each.Sign() <= 0 {
				continue
			}
			left := q.Status.Hard[name].DeepCopy()
			left.Sub(q.Status.Used[name])
			if n := fits(left, each); least == nil || n < least.Pods {
				least = &Room{Pods: n, Quota: q.Name, Entry: name, Left: left, Each: each}
			}
		}
	}
	return least
}

// fits is how many times one quantity goes into another.
func fits(left, each resource.Quantity) int32 {
	n := left.AsApproximateFloat64() / each.AsApproximateFloat64() * (1 + 1e-9)
	return int32(max(0, min(n, 1<<30)))
}
