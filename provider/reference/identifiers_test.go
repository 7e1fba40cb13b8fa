package reference_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
)

// newCluster is a real REST mapper.
func newCluster() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Service"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	return m
}

func named(name string) autoscalingv2.MetricIdentifier {
	return autoscalingv2.MetricIdentifier{Name: name}
}

func podsMetric(m autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: m}}
}

func externalMetric(m autoscalingv2.MetricIdentifier) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: m}}
}

func objectMetric(version, kind, name string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
		DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: version, Kind: kind, Name: name}, Metric: named("m"),
	}}
}

func hpa(metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			Metrics:        metrics,
		},
	}
}

// That these are what the HPA controller's clients make the server ask for is
// tested in package adapter, where both ends are at hand.
func TestIdentifiers(t *testing.T) {
	custom := func(namespace, resource, name string) metric.Identifier {
		return metric.Identifier{API: metric.Custom, Metric: "m", Namespace: namespace, Resource: schema.ParseGroupResource(resource), Name: name}
	}
	selecting := func(id metric.Identifier, selector, metricSelector string) metric.Identifier {
		id.Selector, id.MetricSelector = selector, metricSelector
		return id
	}
	matching := &metav1.LabelSelector{
		MatchLabels:      map[string]string{"zone": "x", "code": "200"},
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "method", Operator: metav1.LabelSelectorOpIn, Values: []string{"POST", "GET"}}},
	}
	cpu := autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu"}}
	bad := named("m")
	bad.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	for name, tc := range map[string]struct {
		metrics     []autoscalingv2.MetricSpec
		podSelector string
		want        []metric.Identifier
		err         string
	}{
		"nothing":     {},
		"CPU":         {metrics: []autoscalingv2.MetricSpec{cpu}},
		"pods":        {[]autoscalingv2.MetricSpec{podsMetric(named("m"))}, "b=2,a=1", []metric.Identifier{selecting(custom("a", "pods", ""), "a=1,b=2", "")}, ""},
		"an object":   {[]autoscalingv2.MetricSpec{objectMetric("v1", "Service", "web")}, "", []metric.Identifier{custom("a", "services", "web")}, ""},
		"of a group":  {[]autoscalingv2.MetricSpec{objectMetric("apps/v1", "Deployment", "web")}, "", []metric.Identifier{custom("a", "deployments.apps", "web")}, ""},
		"root-scoped": {[]autoscalingv2.MetricSpec{objectMetric("v1", "Node", "n1")}, "", []metric.Identifier{custom("", "nodes", "n1")}, ""},
		"a Namespace is always the HPA's own": {
			[]autoscalingv2.MetricSpec{objectMetric("v1", "Namespace", "kube-system")}, "", []metric.Identifier{custom("", "namespaces", "a")}, "",
		},
		"external, with a selector in canonical form": {
			[]autoscalingv2.MetricSpec{externalMetric(autoscalingv2.MetricIdentifier{Name: "m", Selector: matching})}, "",
			[]metric.Identifier{{API: metric.External, Metric: "m", Namespace: "a", MetricSelector: "code=200,method in (GET,POST),zone=x"}}, "",
		},
		"external, as the controller's client asks for it": {
			[]autoscalingv2.MetricSpec{externalMetric(autoscalingv2.MetricIdentifier{Name: "queueDepth"})}, "",
			[]metric.Identifier{{API: metric.External, Metric: "queuedepth", Namespace: "a"}}, "",
		},
		"what cannot be resolved is left out, and said": {
			[]autoscalingv2.MetricSpec{objectMetric("v1", "Gizmo", "x"), externalMetric(bad), objectMetric("a/b/c", "Service", "x"), externalMetric(named("m"))}, "",
			[]metric.Identifier{{API: metric.External, Metric: "m", Namespace: "a"}},
			"spec.metrics[0]: describedObject: no matches for /, Resource=Gizmo\n" +
				"spec.metrics[1]: metric.selector: \"Like\" is not a valid label selector operator\n" +
				"spec.metrics[2]: describedObject: unexpected GroupVersion string: a/b/c",
		},
		"a scale selector that does not parse": {
			[]autoscalingv2.MetricSpec{podsMetric(named("m"))}, "a=(", nil,
			"spec.metrics[0]: the scale's selector: unable to parse requirement: found '(', expected: identifier",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reference.Identifiers(hpa(tc.metrics...), tc.podSelector, newCluster())
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
