package provider_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	maxAge   = 30 * time.Second
	patience = 20 * time.Millisecond
)

var (
	start     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pods      = schema.GroupResource{Resource: "pods"}
	nodes     = schema.GroupResource{Resource: "nodes"}
	spaces    = schema.GroupResource{Resource: "namespaces"}
	deploys   = schema.GroupResource{Group: "apps", Resource: "deployments"}
	everyName = labels.Everything()
)

const rules = `
rules:
- seriesQuery: 'requests'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, node: {resource: node}, deployment: {group: apps, resource: deployment}}}
  metricsQuery: 'sum(requests{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: 'depth'
  resources: {namespaced: false}
  metricsQuery: 'sum(depth{<<.LabelMatchers>>})'
- seriesQuery: 'lag'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: 'sum(lag{<<.LabelMatchers>>})'
`

// cluster is a real REST mapper with scopes.
type cluster struct{ *meta.DefaultRESTMapper }

func newCluster() cluster {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	return cluster{m}
}

func (c cluster) Namespaced(gr schema.GroupResource) (bool, error) {
	gvk, err := c.KindFor(gr.WithVersion(""))
	if err != nil {
		return false, err
	}
	m, err := c.RESTMapping(gvk.GroupKind(), gvk.Version)
	return err == nil && m.Scope.Name() == meta.RESTScopeNameNamespace, err
}

type discoverer struct{}

func (discoverer) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	switch s := selectors[0]; s {
	case "depth":
		return []source.Series{{Name: s}}, nil
	case "lag":
		return []source.Series{{Name: s, Labels: []string{"namespace"}}}, nil
	}
	return []source.Series{{Name: "requests", Labels: []string{"deployment", "namespace", "node", "pod"}}}, nil
}

// evaluator does what it is told when a metric is wanted soon.
type evaluator struct {
	mu     sync.Mutex
	soon   []metric.Identifier
	outage error
	do     func(metric.Identifier)
}

func (e *evaluator) Soon(ids ...metric.Identifier) {
	e.mu.Lock()
	e.soon = append(e.soon, ids...)
	e.mu.Unlock()
	for _, id := range ids {
		if e.do != nil {
			e.do(id)
		}
	}
}

func (e *evaluator) Outage(metric.Identifier) error { return e.outage }

// objects are the live objects, "namespace/name" → labels, by resource.
type objects struct {
	live map[schema.GroupResource]map[string]labels.Set
	err  error
	hang bool
}

func (o *objects) Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, _ string) ([]string, error) {
	if err := o.fail(ctx); err != nil {
		return nil, err
	}
	var names []string
	for key, set := range o.live[gr] {
		if dir, name := split(key); dir == namespace && sel.Matches(set) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (o *objects) Count(schema.GroupResource, string) (int, bool) { return 0, false }

func (o *objects) Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	_, ok := o.live[gr][namespace+"/"+name]
	return ok, o.fail(ctx)
}

func (o *objects) fail(ctx context.Context) error {
	if o.hang {
		<-ctx.Done()
		return metric.Because(metric.ObjectsUnknown, ctx.Err(), "the list is not there yet")
	}
	return o.err
}

func split(key string) (namespace, name string) {
	i := slices.Index([]byte(key), '/')
	return key[:i], key[i+1:]
}

type fixture struct {
	custom    *provider.Custom
	external  *provider.External
	reader    *provider.Reader
	store     *store.Store
	demand    *demand.Registry
	evaluator *evaluator
	objects   *objects
	registry  *prometheus.Registry
	now       time.Time
}

func setup(t *testing.T) *fixture {
	t.Helper()
	set, err := rule.Compile([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		store: store.New(), demand: demand.New(demand.Limits{Total: 10, PerNamespace: 5, Idle: time.Minute}),
		evaluator: &evaluator{}, registry: prometheus.NewRegistry(), now: start,
		objects: &objects{live: map[schema.GroupResource]map[string]labels.Set{
			pods:    {"a/p1": {"app": "web"}, "a/p2": {"app": "web"}, "a/p3": {"app": "db"}, "b/p1": {"app": "web"}},
			nodes:   {"/n1": {}},
			spaces:  {"/a": {}},
			deploys: {"a/web": {}},
		}},
	}
	now := func() time.Time { return f.now }
	known := catalog.New(catalog.Options{Rules: set, Source: discoverer{}, Scopes: newCluster(), MaxAge: time.Hour, Now: now})
	known.Relist(t.Context())
	f.reader = &provider.Reader{
		Demand: f.demand, Evaluator: f.evaluator, Store: f.store, MaxAge: maxAge, Patience: patience, Now: now,
	}
	metrics := provider.NewMetrics(f.registry)
	f.custom = &provider.Custom{Reader: f.reader, Catalog: known, Objects: f.objects, Mapper: newCluster(), Metrics: metrics}
	f.external = &provider.External{Reader: f.reader, Catalog: known, Metrics: metrics}
	return f
}

func value(units int64) store.Value {
	return store.Value{Quantity: *resource.NewQuantity(units, resource.DecimalSI), Time: start.Add(-time.Second)}
}

// podMetric is what a read of pods by selector asks for.
func podMetric(namespace, selector string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: namespace, Resource: pods, Selector: selector}
}

func queue() metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: "depth", Namespace: "a"}
}
