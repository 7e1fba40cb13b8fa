package bench

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
)

func TestRight(t *testing.T) {
	app := App{Namespace: "team-000", Name: "app-0000"}
	item := func(pod string, factor float64) v1beta2.MetricValue {
		rate := Pod{app.Namespace, pod}.Rate() * factor
		return v1beta2.MetricValue{
			DescribedObject: corev1.ObjectReference{Name: pod},
			Value:           *resource.NewMilliQuantity(int64(rate*1000), resource.DecimalSI),
		}
	}
	for name, c := range map[string]struct {
		items []v1beta2.MetricValue
		want  string // part of the error; empty: none
	}{
		"right":            {[]v1beta2.MetricValue{item("a", 1), item("b", 1.05)}, ""},
		"a pod is missing": {[]v1beta2.MetricValue{item("a", 1)}, "1 values, want 2"},
		"the same pod":     {[]v1beta2.MetricValue{item("a", 1), item("a", 1)}, "two values for pod a"},
		"too much":         {[]v1beta2.MetricValue{item("a", 1), item("b", 1.2)}, "pod b"},
		"zero for absent":  {[]v1beta2.MetricValue{item("a", 0), item("b", 1)}, "pod a: 0"},
		"nothing at all":   {nil, "0 values"},
		"one pod too many": {[]v1beta2.MetricValue{item("a", 1), item("b", 1), item("c", 1)}, "3 values"},
	} {
		t.Run(name, func(t *testing.T) {
			err := right(v1beta2.MetricValueList{Items: c.items}, app, 2)
			switch {
			case err == nil && c.want != "":
				t.Errorf("no error, want %q", c.want)
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %q, want %q", err, c.want)
			}
		})
	}
}
