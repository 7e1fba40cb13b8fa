package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/api/v1alpha1"
)

func TestName(t *testing.T) {
	for want, of := range map[string][3]string{
		"pods:http_requests_per_second":   {v1alpha1.CustomMetrics, "pods", "http_requests_per_second"},
		"deployments.apps:a.b":            {v1alpha1.CustomMetrics, "deployments.apps", "a.b"},
		"pods:job:rate":                   {v1alpha1.CustomMetrics, "pods", "job:rate"},
		"external:queue_depth":            {v1alpha1.ExternalMetrics, "", "queue_depth"},
		"external:loadline-query.web.lag": {v1alpha1.ExternalMetrics, "", "loadline-query.web.lag"},
		"external.example.com:x":          {v1alpha1.CustomMetrics, "external.example.com", "x"},
		"pods.metrics.k8s.io:cpu":         {v1alpha1.ResourceMetrics, "pods", "cpu"},
		"nodes.metrics.k8s.io:memory":     {v1alpha1.ResourceMetrics, "nodes", "memory"},
	} {
		if got := v1alpha1.Name(of[0], of[1], of[2]); got != want {
			t.Errorf("%v: %s, want %s", of, got, want)
		}
		api, resource, metric, ok := v1alpha1.ParseName(want)
		if diff := cmp.Diff(of, [3]string{api, resource, metric}); diff != "" || !ok {
			t.Errorf("%s: %v\n%s", want, ok, diff)
		}
	}
	for _, name := range []string{"", ":", "pods", "pods:", ":rate", "things.metrics.k8s.io:cpu"} {
		if api, _, _, ok := v1alpha1.ParseName(name); ok {
			t.Errorf("%q is one of %s", name, api)
		}
	}
}

// Whatever is a name is that of one metric.
func FuzzParseName(f *testing.F) {
	f.Add("pods:job:rate")
	f.Add("pods.metrics.k8s.io:cpu")
	f.Add("external:x")
	f.Fuzz(func(t *testing.T, name string) {
		if api, resource, metric, ok := v1alpha1.ParseName(name); ok && v1alpha1.Name(api, resource, metric) != name {
			t.Errorf("%q is %q, %q, %q", name, api, resource, metric)
		}
	})
}
