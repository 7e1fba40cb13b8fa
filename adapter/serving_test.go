package adapter

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"

	"github.com/loadline/loadline/provider/reference"
)

// ask makes the request that the HPA controller makes for one metric of an HPA in
// namespace a: GetRawMetric, GetObjectMetric and GetExternalMetric of Kubernetes
// 1.37's pkg/controller/podautoscaler/metrics/client.go.
func ask(t *testing.T, config *rest.Config, version schema.GroupVersion, m autoscalingv2.MetricSpec, podSelector string) error {
	t.Helper()
	_, mapper := newCluster(t)
	custom, err := customclient.NewForVersionForConfig(config, mapper, version)
	if err != nil {
		t.Fatal(err)
	}
	external, err := externalclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	selector := func(id autoscalingv2.MetricIdentifier) labels.Selector {
		s, err := metav1.LabelSelectorAsSelector(id.Selector)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	switch m.Type {
	case autoscalingv2.PodsMetricSourceType:
		pods, err := labels.Parse(podSelector)
		if err != nil {
			t.Fatal(err)
		}
		_, err = custom.NamespacedMetrics("a").GetForObjects(schema.GroupKind{Kind: "Pod"}, pods, m.Pods.Metric.Name, selector(m.Pods.Metric))
		return err
	case autoscalingv2.ObjectMetricSourceType:
		ref := m.Object.DescribedObject
		gk := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()
		if gk.Kind == "Namespace" && gk.Group == "" {
			_, err = custom.RootScopedMetrics().GetForObject(gk, "a", m.Object.Metric.Name, selector(m.Object.Metric))
			return err
		}
		_, err = custom.NamespacedMetrics("a").GetForObject(gk, ref.Name, m.Object.Metric.Name, selector(m.Object.Metric))
		return err
	default:
		_, err = external.NamespacedMetrics("a").List(m.External.Metric.Name, selector(m.External.Metric))
		return err
	}
}

// What an HPA references must be, to the letter, what the controller's request
// makes the server want; otherwise prewarming warms something that nobody reads.
func TestReferencesAreWhatTheControllerAsksFor(t *testing.T) {
	none := (*metav1.LabelSelector)(nil)
	selectors := map[string]*metav1.LabelSelector{
		"no selector":    none,
		"empty selector": {},
		"labels":         {MatchLabels: map[string]string{"z": "1", "a": "2", "empty": ""}},
		"expressions": {
			MatchLabels: map[string]string{"m": "1"},
			MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "q", Operator: metav1.LabelSelectorOpIn, Values: []string{"b", "a"}}, {Key: "m", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"x", ""}},
				{Key: "b", Operator: metav1.LabelSelectorOpExists}, {Key: "c", Operator: metav1.LabelSelectorOpDoesNotExist}, {Key: "one", Operator: metav1.LabelSelectorOpIn, Values: []string{"v"}},
			},
		},
	}
	sources := map[string]func(autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec{
		"pods": func(m autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec {
			m.Name = "requests"
			return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: m}}
		},
		"external": func(m autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec {
			m.Name = "depth"
			return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: m}}
		},
	}
	for _, ref := range []autoscalingv2.CrossVersionObjectReference{
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, {APIVersion: "v1", Kind: "Pod", Name: "p1"}, {APIVersion: "v1", Kind: "Node", Name: "n1"},
		{APIVersion: "v1", Kind: "Namespace", Name: "a"}, {APIVersion: "v1", Kind: "Namespace", Name: "elsewhere"},
	} {
		sources[strings.ToLower(ref.Kind)+" "+ref.Name] = func(m autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec {
			m.Name = "requests"
			return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{DescribedObject: ref, Metric: m}}
		}
	}
	const podSelector = "tier in (web,api),app=remindme,!canary,track!=test"
	for name, make := range sources {
		for kind, selector := range selectors {
			for _, version := range []schema.GroupVersion{v1beta1.SchemeGroupVersion, v1beta2.SchemeGroupVersion} {
				t.Run(name+"/"+kind+"/"+version.Version, func(t *testing.T) {
					spec := make(autoscalingv2.MetricIdentifier{Selector: selector})
					hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web"}}
					hpa.Spec.Metrics = []autoscalingv2.MetricSpec{spec}
					mapper, _ := newCluster(t)
					want, err := reference.Identifiers(hpa, podSelector, mapper)
					if err != nil {
						t.Fatal(err)
					}
					config, wanted, paths := serve(t)
					if err := ask(t, config, version, spec, podSelector); err != nil {
						t.Errorf("%v", err)
					}
					if diff := cmp.Diff(want, wanted.Wanted()); diff != "" {
						t.Errorf("asked %v (-referenced +wanted):\n%s", paths(), diff)
					}
				})
			}
		}
	}
}

// Requests that only people make.
func TestServedPaths(t *testing.T) {
	config, _, _ := serve(t)
	for path, want := range map[string]int{
		"/apis/custom.metrics.k8s.io/v1beta1/namespaces/a/pods/*/requests":                               200,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests?metricLabelSelector=code!%3D5": 200,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/metrics/requests":                              200,
		"/apis/custom.metrics.k8s.io/v1beta2/nodes/n1/requests":                                          200,
		"/apis/custom.metrics.k8s.io/v1beta2/nodes/*/requests":                                           200,
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/a/depth?labelSelector=a%3Db":                   200,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/nothing":                                404,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/gizmos/*/requests":                             404,
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/a/nothing":                                     404,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests?metricLabelSelector=a+in+(":    400,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests?labelSelector=a+in+(":          400,
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/a/depth?labelSelector=a+in+(":                  400,
		"/apis/external.metrics.k8s.io/v1beta1/namespaces/a/depth?labelSelector=a%3E5":                   400,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests?metricLabelSelector=a%3C5":     400,
	} {
		resp, err := http.Get(config.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want || resp.Header.Get("Retry-After") != "" {
			t.Errorf("%s: %s, want %d; %v", path, resp.Status, want, resp.Header)
		}
	}
}
