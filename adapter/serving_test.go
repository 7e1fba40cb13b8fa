package adapter

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

const servedRules = `
rules:
- seriesQuery: 'requests'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, node: {resource: node}, deployment: {group: apps, resource: deployment}}}
  metricsQuery: 'sum(requests{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: 'depth'
  resources: {namespaced: false}
  metricsQuery: 'sum(depth{<<.LabelMatchers>>})'
`

// kinds is a real REST mapper with scopes.
type kinds struct{ *meta.DefaultRESTMapper }

func newKinds() kinds {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	return kinds{m}
}

func (kinds) Namespaced(gr schema.GroupResource) (bool, error) {
	return gr.Resource == "pods" || gr.Resource == "deployments", nil
}

type names []string

func (n names) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	return []source.Series{{Name: selectors[0], Labels: n}}, nil
}

// everything is live.
type everything struct{}

func (everything) Names(context.Context, schema.GroupResource, string, labels.Selector, string) ([]string, error) {
	return []string{"x"}, nil
}
func (everything) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
}

// answerer stores a value of 1 for whatever is wanted.
type answerer struct{ store *store.Store }

func (answerer) Outage() error { return nil }

func (a answerer) Soon(ids ...metric.Identifier) {
	for _, id := range ids {
		q, _ := metric.Quantity(1)
		v := store.Value{Quantity: q, Time: time.Now()}
		name := id.Name
		if name == "" {
			name = "x"
		}
		a.store.Succeed(id, &store.Data{Evaluated: time.Now(), Objects: map[string]store.Value{name: v}, Series: []store.Value{v}})
	}
}

// serve serves the real APIs over real HTTP, through the real filters, to anybody.
func serve(t *testing.T) (*rest.Config, *demand.Registry, func() []string) {
	t.Helper()
	rules, err := rule.Compile([]byte(servedRules))
	if err != nil {
		t.Fatal(err)
	}
	wanted := demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute})
	held := store.New()
	known := catalog.New(catalog.Options{Rules: rules, Source: names{"deployment", "namespace", "node", "pod"}, Scopes: newKinds(), MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	reader := &provider.Reader{Demand: wanted, Evaluator: answerer{held}, Store: held, MaxAge: time.Minute, Patience: time.Second, Now: time.Now}
	own := provider.NewMetrics(prometheus.NewRegistry())
	server := newTestServer(t, newTestConfig(nil),
		&provider.Custom{Reader: reader, Catalog: known, Objects: everything{}, Mapper: newKinds(), Metrics: own},
		&provider.External{Reader: reader, Catalog: known, Metrics: own})
	t.Cleanup(server.Destroy)

	var mu sync.Mutex
	var paths []string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.String())
		mu.Unlock()
		server.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return &rest.Config{Host: front.URL}, wanted, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(paths)
	}
}

// newTestConfig is the configuration that newServer makes, but everybody may do
// everything.
func newTestConfig(stopping <-chan struct{}) *genericapiserver.RecommendedConfig {
	config := genericapiserver.NewRecommendedConfig(cmapiserver.Codecs)
	config.ExternalAddress = "localhost:443"
	config.LoopbackClientConfig = &rest.Config{}
	config.EffectiveVersion = basecompatibility.NewEffectiveVersionFromString("1.37", "", "")
	config.SkipOpenAPIInstallation = true
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openAPI, openapinamer.NewDefinitionNamer(cmapiserver.Scheme))
	config.Authentication.Authenticator = anonymous.NewAuthenticator(nil)
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	config.RequestTimeout = requestTimeout
	config.BuildHandlerChainFunc = handlerChain(stopping)
	return config
}

func newTestServer(t *testing.T, config *genericapiserver.RecommendedConfig, custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) *genericapiserver.GenericAPIServer {
	t.Helper()
	server, err := (&cmapiserver.Config{GenericConfig: &config.Config}).Complete(nil).New("test", custom, external)
	if err != nil {
		t.Fatal(err)
	}
	return server.GenericAPIServer
}

// ask makes the request that the HPA controller makes for one metric of an HPA in
// namespace a: GetRawMetric, GetObjectMetric and GetExternalMetric of Kubernetes
// 1.37's pkg/controller/podautoscaler/metrics/client.go.
func ask(t *testing.T, config *rest.Config, version schema.GroupVersion, m autoscalingv2.MetricSpec, podSelector string) error {
	t.Helper()
	custom, err := customclient.NewForVersionForConfig(config, newKinds(), version)
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
					want, err := reference.Identifiers(hpa, podSelector, newKinds())
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
