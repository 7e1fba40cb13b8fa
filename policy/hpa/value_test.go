package hpa_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/hpa"
)

func TestValueAt(t *testing.T) {
	h := &autoscalingv2.HorizontalPodAutoscaler{Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		MaxReplicas: 7,
		Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: "m", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a.b/c": "x"}}},
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("0.5"))},
		}}},
	}}
	got := map[string]string{}
	want := map[string]string{
		"spec.maxReplicas": "7", "spec.minReplicas": "1", "spec.metrics[0].pods.target.averageValue": "500m",
		"spec.metrics[0].pods.metric.selector.matchLabels[a.b/c]": "x",
		"spec.metrics": "", "spec.metrics[0]": "", "spec.metrics[1].type": "", "spec.metrics[x]": "", "spec.maxReplicas.x": "", "spec.x": "", "spec": "",
		"metadata.labels[a]": "", "": "",
	}
	for path := range want {
		got[path] = hpa.ValueAt(h, path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
