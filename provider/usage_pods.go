package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/metrics/pkg/apis/metrics"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// PodUsage serves pods of metrics.k8s.io. A pod without any value is left out.
type PodUsage struct{ *Usage }

var _ usageStorage = PodUsage{}

// New implements rest.Storage.
func (PodUsage) New() runtime.Object { return &metrics.PodMetrics{} }

// NewList implements rest.Lister.
func (PodUsage) NewList() runtime.Object { return &metrics.PodMetricsList{} }

// Destroy implements rest.Storage.
func (PodUsage) Destroy() {}

// Kind implements rest.KindProvider: pods are of another kind elsewhere.
func (PodUsage) Kind() string { return "PodMetrics" }

// NamespaceScoped implements rest.Scoper.
func (PodUsage) NamespaceScoped() bool { return true }

// GetSingularName implements rest.SingularNameProvider. As in metrics-server there is none.
func (PodUsage) GetSingularName() string { return "" }

// List implements rest.Lister.
func (p PodUsage) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	_, items, err := answer(ctx, p.Usage, "pods", request.NamespaceValue(ctx), options, p.of)
	if err != nil {
		return nil, err
	}
	return &metrics.PodMetricsList{Items: items}, nil
}

// Get implements rest.Getter.
func (p PodUsage) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	namespace := request.NamespaceValue(ctx)
	live, items, err := answer(ctx, p.Usage, "pods", namespace, named(name), p.of)
	switch {
	case err != nil:
		return nil, err
	case live == 0:
		return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
	case len(items) == 0:
		return nil, apierrors.NewNotFound(metrics.Resource("podmetrics"), namespace+"/"+name)
	}
	return &items[0], nil
}

// ConvertToTable implements rest.TableConvertor.
func (PodUsage) ConvertToTable(_ context.Context, object, _ runtime.Object) (*metav1.Table, error) {
	switch o := object.(type) {
	case *metrics.PodMetrics:
		return usageTable(metav1.ListMeta{ResourceVersion: o.ResourceVersion}, podRow(o)), nil
	case *metrics.PodMetricsList:
		rows := make([]metav1.TableRow, len(o.Items))
		for i := range o.Items {
			rows[i] = podRow(&o.Items[i])
		}
		return usageTable(o.ListMeta, rows...), nil
	}
	return nil, noTable(object)
}

func podRow(p *metrics.PodMetrics) metav1.TableRow {
	return usageRow(p.Name, total(p.Containers), p.Window, p)
}

// of returns what is known of pods, in their order. The error is of a namespace of which
// nothing is known, if all are so: a list through all namespaces has what there is.
func (p PodUsage) of(ctx context.Context, pods []metric.Object) ([]metrics.PodMetrics, error) {
	known := map[string]*used{}
	for _, pod := range pods {
		known[pod.Namespace] = nil
	}
	namespaces := slices.Sorted(maps.Keys(known))
	p.want("pods", namespaces...)
	var failed error
	failures := 0
	for _, ns := range namespaces {
		b := p.read(ctx, "pods", ns)
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
	for _, pod := range pods {
		if b := known[pod.Namespace]; b != nil {
			if m, ok := podMetrics(pod, *b, p.window(*b)); ok {
				out = append(out, m)
			}
		}
	}
	if len(out) == 0 && failed == nil {
		failed = unusable(pods, known)
	}
	if len(out) == 0 && failed != nil {
		return nil, failed
	}
	if failed != nil {
		p.Log.V(2).Info("The usage of some pods is not known", "namespaces", failures, "one", failed.Error())
	}
	return out, nil
}

// unusable is why a container of these pods has no usable value; nil if the source has none
// of any.
func unusable(pods []metric.Object, known map[string]*used) error {
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
func podMetrics(pod metric.Object, b used, window time.Duration) (metrics.PodMetrics, bool) {
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
