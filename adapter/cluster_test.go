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

	"github.com/prometheus/client_golang/prometheus"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	clienttesting "k8s.io/client-go/testing"
	basecompatibility "k8s.io/component-base/compatibility"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
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

// newCluster returns the discovery of an API server with a few kinds, as the
// adapter and as the HPA controller's client see it.
func newCluster(t *testing.T) (*object.Mapper, meta.RESTMapper) {
	t.Helper()
	api := &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", SingularName: "pod", Kind: "Pod", Namespaced: true},
			{Name: "nodes", SingularName: "node", Kind: "Node"},
			{Name: "namespaces", SingularName: "namespace", Kind: "Namespace"},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments", SingularName: "deployment", Kind: "Deployment", Namespaced: true}}},
	}}}
	mapper := object.NewMapper(api, time.Hour)
	if err := mapper.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(api)
	if err != nil {
		t.Fatal(err)
	}
	return mapper, restmapper.NewDiscoveryRESTMapper(groups)
}

// ones is a source in which every series has every label, and every object one
// sample of 1.
type ones struct{}

func (ones) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	return []source.Series{{Name: selectors[0], Labels: []string{"deployment", "namespace", "node", "pod"}}}, nil
}

// Query answers for the objects that the query names.
func (ones) Query(_ context.Context, promQL string) (source.Answer, error) {
	one := source.Sample{Value: 1, Time: time.Now()}
	_, by, grouped := strings.Cut(promQL, " by (")
	if label := strings.TrimSuffix(by, ")"); grouped {
		_, named, _ := strings.Cut(promQL, label+`="`)
		name, _, _ := strings.Cut(named, `"`)
		one.Labels = promlabels.FromStrings(label, name)
	}
	return source.Answer{Samples: []source.Sample{one}}, nil
}

// everything is live.
type everything struct{}

func (everything) Names(context.Context, schema.GroupResource, string, labels.Selector, string) ([]string, error) {
	return []string{"x"}, nil
}
func (everything) Count(schema.GroupResource, string) (int, bool) { return 0, false }

func (everything) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
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
	mapper, _ := newCluster(t)
	known := catalog.New(catalog.Options{Rules: rules, Source: ones{}, Scopes: mapper, MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	registry := prometheus.NewRegistry()
	one := eval.New(eval.Options{
		Source: ones{}, Catalog: known, Objects: everything{}, Mapper: mapper, Demand: wanted, Store: held,
		Metrics: eval.NewMetrics(registry), Interval: time.Hour, Timeout: time.Second, Concurrency: 1, Now: time.Now,
	})
	evaluator := alone(one)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { evaluator.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	reader := &provider.Reader{Demand: wanted, Evaluator: evaluator, Store: held, MaxAge: time.Minute, Patience: time.Second, Now: time.Now}
	own := provider.NewMetrics(registry)
	custom := &provider.Custom{Reader: reader, Catalog: known, Objects: everything{}, Mapper: mapper, Metrics: own}
	external := &provider.External{Reader: reader, Catalog: known, Metrics: own}
	server := newTestServer(t, newTestConfig(nil, custom, external), custom, external)
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
// everything. Without the providers the library answers each read.
func newTestConfig(stopping <-chan struct{}, custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) *genericapiserver.RecommendedConfig {
	config := genericapiserver.NewRecommendedConfig(cmapiserver.Codecs)
	config.ExternalAddress = "localhost:443"
	config.LoopbackClientConfig = &rest.Config{}
	config.EffectiveVersion = basecompatibility.NewEffectiveVersionFromString("1.37", "", "")
	config.SkipOpenAPIInstallation = true
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openAPI, openapinamer.NewDefinitionNamer(cmapiserver.Scheme))
	config.Authentication.Authenticator = anonymous.NewAuthenticator(nil)
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	config.RequestTimeout = requestTimeout
	config.BuildHandlerChainFunc = handlerChain(stopping, custom, external)
	return config
}

func newTestServer(t testing.TB, config *genericapiserver.RecommendedConfig, custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) *genericapiserver.GenericAPIServer {
	t.Helper()
	server, err := (&cmapiserver.Config{GenericConfig: &config.Config}).Complete(nil).New("test", custom, external)
	if err != nil {
		t.Fatal(err)
	}
	return server.GenericAPIServer
}

// alone has one evaluator see to everything.
func alone(e *eval.Evaluator) *eval.Router {
	return eval.NewRouter(func(metric.Identifier) string { return "" }, map[string]*eval.Evaluator{"": e})
}
