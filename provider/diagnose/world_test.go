package diagnose_test

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/diagnose"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const config = `
rules:
- seriesQuery: 'requests'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, node: {resource: node}}}
  metricsQuery: 'sum(rate(requests{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'
- seriesQuery: 'ratio'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  metricsQuery: 'max(topk(9, ratio{<<.LabelMatchers>>})) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: 'depth'
  resources: {namespaced: false}
  metricsQuery: 'max(depth{<<.LabelMatchers>>}) by (queue, owner)'
- seriesQuery: 'lag'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: 'max(lag{<<.LabelMatchers>>}) by (topic)'
`

// cluster is a REST mapper with scopes.
type cluster struct{ *meta.DefaultRESTMapper }

func newCluster() cluster {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	return cluster{m}
}

func (cluster) Namespaced(gr schema.GroupResource) (bool, error) { return gr.Resource == "pods", nil }

// series are what the source has, by what they are called.
type series struct {
	name   string
	labels promlabels.Labels
	value  float64
}

// backend is a source that answers with what it has of the namespaces that a query names.
type backend struct {
	mu     sync.Mutex
	has    []series
	asked  []string
	sought int // series discoveries
	// unlisted is how a discovery ends that gives what there is.
	unlisted error
	// fails, and remark, are for queries that have on in them.
	fails  error
	remark []string
	on     string
}

func (b *backend) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sought++
	known := map[string][]string{"requests": {"namespace", "node", "pod"}, "ratio": {"namespace", "pod"}, "depth": {"owner", "queue"}, "lag": {"namespace", "topic"}}
	return []source.Series{{Name: selectors[0], Labels: known[selectors[0]]}}, b.unlisted
}

func (b *backend) Query(_ context.Context, promQL string) (source.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, promQL)
	about := strings.Contains(promQL, b.on)
	if b.fails != nil && about {
		return source.Answer{}, b.fails
	}
	var a source.Answer
	if about {
		a.Warnings = b.remark
	}
	for _, s := range b.has {
		in, on := s.labels.Get("namespace"), s.labels.Get("node")
		if strings.Contains(promQL, s.name+"{") && (in == "" || strings.Contains(promQL, in)) && (on == "" || strings.Contains(promQL, "node")) {
			a.Samples = append(a.Samples, source.Sample{Labels: s.labels, Value: s.value, Time: noon.Add(-2 * time.Second)})
		}
	}
	return a, nil
}

func (b *backend) set(f func(*backend)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

// objects are the live ones by their namespaces, which is empty for nodes.
type objects map[string][]string

func (o objects) Names(_ context.Context, gr schema.GroupResource, namespace string, _ labels.Selector, _ string) ([]string, error) {
	return o[namespace], nil
}

func (o objects) Has(_ context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	return gr.Resource == "namespaces" || slices.Contains(o[namespace], name), nil
}

func (o objects) Count(_ schema.GroupResource, namespace string) (int, bool) {
	return len(o[namespace]), true
}

// queries is one of a policy in shop.
type queries struct{}

func (queries) PromQL(namespace, name string) (string, bool, error) {
	switch {
	case !strings.HasPrefix(name, metric.QueryPrefix):
		return "", false, nil
	case namespace == "shop" && name == metric.QueryPrefix+"web.lag":
		return `sum(lag{namespace="shop"})`, true, nil
	}
	return "", true, metric.Errorf(metric.Undefined, "the namespace %q has no such query", namespace)
}

func (q queries) Query(namespace, name string) (plan.Renderer, bool, error) {
	promQL, ok, err := q.PromQL(namespace, name)
	if err != nil || !ok {
		return nil, ok, err
	}
	return fixed(promQL), true, nil
}

// fixed renders to itself.
type fixed string

func (fixed) ID() string { return "policies" }

func (f fixed) Query(rule.Mapper, rule.QueryInput) (rule.Query, error) {
	return rule.Query{PromQL: string(f), MaxSeries: 1}, nil
}

// world is a source with what evaluates it, and a describer over these.
type world struct {
	*diagnose.Describer
	source    *backend
	demand    *demand.Registry
	evaluator *eval.Evaluator
	objects   objects
	now       time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rules, err := rule.Compile([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		source: &backend{}, demand: demand.New(demand.Limits{Total: 5000, PerNamespace: 5000, Idle: time.Minute}), now: noon,
		objects: objects{"shop": {"web-0", "web-1"}, "secret-ns": {"secret-pod"}, "": {"n1", "secret-node"}},
	}
	now := func() time.Time { return w.now }
	known := catalog.New(catalog.Options{Rules: rules, Source: w.source, Scopes: newCluster(), MaxAge: time.Hour, Now: now})
	known.Relist(t.Context())
	held := store.New()
	w.evaluator = eval.New(eval.Options{
		Source: w.source, Catalog: known, Queries: queries{}, Objects: w.objects, Mapper: newCluster(), Demand: w.demand, Store: held,
		Metrics: eval.NewMetrics(prometheus.NewRegistry()), Interval: 10 * time.Second, Timeout: time.Second, Concurrency: 1, Now: now,
	})
	w.Describer = &diagnose.Describer{
		Demand: w.demand, Catalog: known, Store: held, Queries: queries{}, MaxAge: 30 * time.Second, BuiltIn: func() bool { return false }, Now: now,
		Evaluation: eval.NewRouter(func(metric.Identifier) string { return "" }, map[string]*eval.Evaluator{"": w.evaluator}),
	}
	return w
}

// evaluate evaluates all that is wanted, and lets some seconds go by.
func (w *world) evaluate(t *testing.T) {
	t.Helper()
	w.evaluator.Evaluate(t.Context(), w.demand.Wanted())
	w.now = w.now.Add(4 * time.Second)
}

func (w *world) want(t *testing.T, hpa string, ids ...metric.Identifier) {
	t.Helper()
	if _, err := w.demand.Reference(hpa, ids); err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *testing.T, id metric.Identifier) {
	t.Helper()
	if err := w.demand.Read(id, w.now.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
}

func pods(namespace, name string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: name, Namespace: namespace, Resource: schema.GroupResource{Resource: "pods"}, Selector: "app=web"}
}

func node(name string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: "requests", Resource: schema.GroupResource{Resource: "nodes"}, Name: name}
}

func external(namespace, name, selector string) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: name, Namespace: namespace, MetricSelector: selector}
}

func sample(name string, value float64, labels ...string) series {
	return series{name, promlabels.FromStrings(labels...), value}
}

// twoTenants is a world in which shop and secret-ns want the same things.
func twoTenants(t *testing.T) *world {
	w := newWorld(t)
	w.source.has = []series{
		sample("requests", 30.5, "namespace", "shop", "pod", "web-0"), sample("requests", 31, "namespace", "shop", "pod", "web-1"),
		sample("requests", 7, "namespace", "secret-ns", "pod", "secret-pod"), sample("requests", 400, "node", "n1"),
		sample("depth", 12, "queue", "secret-queue", "owner", "secret-ns"), sample("depth", 3, "queue", "mail", "owner", "shop"),
		sample("lag", 5, "namespace", "shop", "topic", "orders"), sample("lag", 6, "namespace", "secret-ns", "topic", "secret-topic"),
	}
	w.want(t, "shop/web", pods("shop", "requests"), pods("shop", "ratio"), pods("shop", "nothing"), node("n1"))
	w.want(t, "shop/api", pods("shop", "requests"))
	w.want(t, "shop/worker", external("shop", "lag", ""), external("shop", "loadline-query.web.lag", ""))
	w.read(t, external("shop", "depth", ""))
	w.want(t, "secret-ns/secret-hpa", pods("secret-ns", "requests"), external("secret-ns", "lag", ""), node("n1"), node("secret-node"))
	w.read(t, external("secret-ns", "depth", ""))
	w.read(t, external("*", "depth", "owner=secret-ns"))
	w.evaluate(t)
	return w
}
