package arithmetic

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// defaultWindow is that of a custom metric that names none
// (metricServerDefaultMetricWindow in client.go).
const defaultWindow = time.Minute

var errEmpty = errors.New("the metrics API answered with an empty list")

// ResourceReading reads an answer of metrics.k8s.io as a metric of pods: the use of a resource
// by all containers of each pod or, if container is not empty, by the one of that name. A pod
// without containers has none, nor has one of whose containers one lacks the resource
// (getPodMetrics and getContainerMetrics in client.go).
func ResourceReading(items []metrics.PodMetrics, of corev1.ResourceName, container string) Reading {
	if len(items) == 0 {
		return Reading{Err: errEmpty}
	}
	read := Reading{Pods: make(map[string]Sample, len(items))}
	for i := range items {
		use := podUse
		if container != "" {
			use = containerUse
		}
		if milli, ok := use(&items[i], of, container); ok {
			read.Pods[items[i].Name] = Sample{Milli: milli, Timestamp: items[i].Timestamp.Time, Window: items[i].Window.Duration}
		}
	}
	return read
}

func podUse(m *metrics.PodMetrics, of corev1.ResourceName, _ string) (sum int64, ok bool) {
	for _, c := range m.Containers {
		used, found := c.Usage[of]
		if !found {
			return 0, false
		}
		sum += used.MilliValue() // each is rounded up, and not the sum
	}
	return sum, len(m.Containers) > 0
}

func containerUse(m *metrics.PodMetrics, of corev1.ResourceName, container string) (int64, bool) {
	for _, c := range m.Containers {
		if c.Name == container {
			used, ok := c.Usage[of]
			return used.MilliValue(), ok
		}
	}
	return 0, false
}

// PodsReading reads an answer of custom.metrics.k8s.io for pods (GetRawMetric in client.go).
func PodsReading(items []custommetrics.MetricValue) Reading {
	if len(items) == 0 {
		return Reading{Err: errEmpty}
	}
	read := Reading{Pods: make(map[string]Sample, len(items))}
	for i := range items {
		s := Sample{Milli: items[i].Value.MilliValue(), Timestamp: items[i].Timestamp.Time, Window: defaultWindow}
		if w := items[i].WindowSeconds; w != nil {
			s.Window = time.Duration(*w) * time.Second
		}
		read.Pods[items[i].DescribedObject.Name] = s
	}
	return read
}

// ObjectReading reads an answer of custom.metrics.k8s.io for one object.
func ObjectReading(m *custommetrics.MetricValue) Reading {
	return Reading{Values: []int64{m.Value.MilliValue()}}
}

// ExternalReading reads an answer of external.metrics.k8s.io (GetExternalMetric in client.go).
func ExternalReading(items []externalmetrics.ExternalMetricValue) Reading {
	if len(items) == 0 {
		return Reading{Err: errEmpty}
	}
	var read Reading
	for i := range items {
		read.Values = append(read.Values, items[i].Value.MilliValue())
	}
	return read
}
