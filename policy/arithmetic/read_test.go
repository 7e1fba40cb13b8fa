package arithmetic_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

// TestResourceReading: getPodMetrics and getContainerMetrics in client.go.
func TestResourceReading(t *testing.T) {
	use := func(name string, of ...string) metrics.ContainerMetrics {
		return metrics.ContainerMetrics{Name: name, Usage: list(of...)}
	}
	item := func(name string, containers ...metrics.ContainerMetrics) metrics.PodMetrics {
		return metrics.PodMetrics{ObjectMeta: metav1.ObjectMeta{Name: name}, Timestamp: metav1.NewTime(noon), Window: metav1.Duration{Duration: time.Minute}, Containers: containers}
	}
	items := []metrics.PodMetrics{
		item("all", use("app", "cpu", "1500u"), use("log", "cpu", "1500u")),
		item("half", use("app", "cpu", "2"), use("log")),
		item("none"),
	}
	sample := func(milli int64) arithmetic.Sample {
		return arithmetic.Sample{Milli: milli, Timestamp: noon, Window: time.Minute}
	}
	for name, tc := range map[string]struct {
		of        corev1.ResourceName
		container string
		want      map[string]arithmetic.Sample
	}{
		"pods":                    {"cpu", "", map[string]arithmetic.Sample{"all": sample(4)}},
		"a container":             {"cpu", "app", map[string]arithmetic.Sample{"all": sample(2), "half": sample(2000)}},
		"one that has none of it": {"cpu", "log", map[string]arithmetic.Sample{"all": sample(2)}},
		"another resource":        {"memory", "", map[string]arithmetic.Sample{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := arithmetic.ResourceReading(items, tc.of, tc.container)
			if diff := cmp.Diff(arithmetic.Reading{Pods: tc.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := arithmetic.ResourceReading(nil, "cpu", ""); got.Err == nil {
		t.Error("an empty list is no error")
	}
}

// TestCustomReading: GetRawMetric, GetObjectMetric and GetExternalMetric in client.go.
func TestCustomReading(t *testing.T) {
	item := custommetrics.MetricValue{DescribedObject: corev1.ObjectReference{Name: "a"}, Timestamp: metav1.NewTime(noon), Value: resource.MustParse("1500u")}
	timed := *item.DeepCopy()
	timed.DescribedObject.Name, timed.WindowSeconds = "b", ptr.To[int64](30)
	want := arithmetic.Reading{Pods: map[string]arithmetic.Sample{
		"a": {Milli: 2, Timestamp: noon, Window: time.Minute},
		"b": {Milli: 2, Timestamp: noon, Window: 30 * time.Second},
	}}
	if diff := cmp.Diff(want, arithmetic.PodsReading([]custommetrics.MetricValue{item, timed})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(arithmetic.Reading{Values: []int64{2}}, arithmetic.ObjectReading(&item)); diff != "" {
		t.Error(diff)
	}
	series := []externalmetrics.ExternalMetricValue{{Value: resource.MustParse("3")}, {Value: resource.MustParse("4")}}
	if diff := cmp.Diff(arithmetic.Reading{Values: []int64{3000, 4000}}, arithmetic.ExternalReading(series)); diff != "" {
		t.Error(diff)
	}
	if arithmetic.PodsReading(nil).Err == nil || arithmetic.ExternalReading(nil).Err == nil {
		t.Error("an empty list is no error")
	}
}
