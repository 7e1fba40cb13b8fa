package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/metrics"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// GetPodMetrics returns what is known of pods, in their order. Pods without a value are
// left out. The error is of a namespace of which nothing is known, if all are so: a list
// through all namespaces has what there is.
func (u *Usage) GetPodMetrics(pods ...*metav1.PartialObjectMetadata) ([]metrics.PodMetrics, error) {
	ctx, cancel := context.WithTimeout(context.Background(), u.Reader.Patience)
	defer cancel()
	known := map[string]*used{}
	for _, p := range pods {
		known[p.Namespace] = nil
	}
	namespaces := slices.Sorted(maps.Keys(known))
	u.want("pods", namespaces...)
	var failed error
	failures := 0
	for _, ns := range namespaces {
		b := u.read(ctx, "pods", ns)
		if b.cpuErr == nil || b.memoryErr == nil {
			known[ns] = &b
			continue
		}
		failures++
		if failed = b.cpuErr; metric.ReasonOf(failed) == metric.Undefined {
			failed = b.memoryErr
		}
	}
	out := make([]metrics.PodMetrics, 0, len(pods))
	for _, p := range pods {
		if b := known[p.Namespace]; b != nil {
			if m, ok := podMetrics(p, *b, u.window(*b)); ok {
				out = append(out, m)
			}
		}
	}
	if len(out) == 0 && failed == nil {
		failed = unusable(pods, known)
	}
	if len(out) == 0 && failed != nil {
		return nil, statusError(failed)
	}
	if failed != nil {
		u.Log.V(2).Info("The usage of some pods is not known", "namespaces", failures, "one", failed.Error())
	}
	return out, nil
}

// unusable is why a container of these pods has no usable value; nil if the source has none
// of any.
func unusable(pods []*metav1.PartialObjectMetadata, known map[string]*used) error {
	for _, p := range pods {
		b := known[p.Namespace]
		if b == nil {
			continue
		}
		for name, d := range map[string]*store.Data{"cpu": b.cpu, "memory": b.memory} {
			if d == nil {
				continue
			}
			for _, c := range d.Containers[p.Name] {
				if c.Err != nil {
					return metric.Because(metric.ReasonOf(c.Err), c.Err, "%s of container %s of pod %s", name, c.Name, p.Name)
				}
			}
		}
	}
	return nil
}

// podMetrics is one pod's. It has the containers that are known to run.
//
// Memory is known from a container's first scrape on, and CPU, a rate, from the second. So
// a container without CPU has begun just now. The HPA controller takes its pod for one
// without a value, as it should: no value is not 0. A container without memory has ended,
// as those do that initialize a pod, and what it used is in the range of the rate still.
// It is left out, unless nothing at all is known about the memory of any container.
func podMetrics(pod *metav1.PartialObjectMetadata, b used, window time.Duration) (metrics.PodMetrics, bool) {
	usage := map[string]corev1.ResourceList{}
	var at time.Time
	add := func(name corev1.ResourceName, format resource.Format, containers []store.Container, begins bool) {
		for _, c := range containers {
			list, there := usage[c.Name]
			if !there && !begins {
				continue
			}
			if !there {
				list = corev1.ResourceList{}
				usage[c.Name] = list
			}
			if c.Err != nil {
				continue
			}
			list[name] = *resource.NewMilliQuantity(c.Quantity.MilliValue(), format)
			at = earliest(at, c.Time)
		}
	}
	if b.memory != nil {
		add(corev1.ResourceMemory, resource.BinarySI, b.memory.Containers[pod.Name], true)
	}
	if b.cpu != nil {
		add(corev1.ResourceCPU, resource.DecimalSI, b.cpu.Containers[pod.Name], b.memory == nil || len(b.memory.Containers) == 0)
	}
	m := metrics.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, CreationTimestamp: metav1.Now()},
		Timestamp:  metav1.NewTime(at),
		Window:     metav1.Duration{Duration: window},
	}
	for name, list := range usage {
		m.Containers = append(m.Containers, metrics.ContainerMetrics{Name: name, Usage: list})
	}
	slices.SortFunc(m.Containers, func(a, b metrics.ContainerMetrics) int { return strings.Compare(a.Name, b.Name) })
	return m, !at.IsZero()
}
