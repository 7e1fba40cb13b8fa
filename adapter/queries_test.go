package adapter

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/adapter/query"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	policyquery "github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// numbers is a source whose answer is the number in a query, and that keeps what it
// was asked.
type numbers struct {
	ones
	mu    sync.Mutex
	asked []string
}

func (n *numbers) Query(_ context.Context, promQL string) (source.Answer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, promQL)
	value := float64(len(promQL) - len(strings.TrimLeft(promQL, "-")))
	return source.Answer{Samples: []source.Sample{{Value: value, Time: time.Now()}}}, nil
}

// lagPolicy has the query lag: as many minuses as its value is to be.
func lagPolicy(namespace string, value int) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
	p.Spec.Objectives = []v1alpha1.Objective{{Query: &v1alpha1.Query{Name: "lag", Expr: strings.Repeat("-", value) + "sum(lag)"}}}
	return p
}

// TestQueriesThroughTheParts: from the policy to the answer, through the parts as they
// are joined: what is asked is confined, and the value is that of the expression of
// now.
func TestQueriesThroughTheParts(t *testing.T) {
	rules, err := rule.Compile([]byte(servedRules))
	if err != nil {
		t.Fatal(err)
	}
	src, events := &numbers{}, watch.NewFake()
	mapper, _ := newCluster(t)
	wanted, held, registry := demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute}), store.New(), prometheus.NewRegistry()
	known := catalog.New(catalog.Options{Rules: rules, Source: src, Scopes: mapper, MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	p := &parts{demand: wanted}
	p.queries = query.New(policyquery.Defaults(), p.evaluateSoon, nil)
	one := eval.New(eval.Options{
		Source: src, Catalog: known, Queries: p.queries, Objects: everything{}, Mapper: mapper, Demand: wanted, Store: held,
		Metrics: eval.NewMetrics(registry), Interval: time.Hour, Timeout: time.Second, Concurrency: 1, Now: time.Now,
	})
	p.catalog, p.evaluator = known, eval.NewRouter(p.sourceOf, map[string]*eval.Evaluator{"": one})
	policies := query.NewWatcher(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			return &v1alpha1.AutoscalingPolicyList{Items: []v1alpha1.AutoscalingPolicy{*lagPolicy("shop", 2), *lagPolicy("other", 5)}}, nil
		},
		WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { return events, nil },
	}, listFirst{}), p.queries)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.evaluator.Run(ctx) })
	running.Go(func() { policies.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	external := &provider.External{
		Reader:  &provider.Reader{Demand: wanted, Evaluator: p.evaluator, Store: held, MaxAge: time.Minute, Patience: time.Second, Now: time.Now},
		Catalog: known, Queries: p.queries, Metrics: provider.NewMetrics(registry),
	}
	read := func(namespace string) (int64, error) {
		list, err := external.GetExternalMetric(t.Context(), namespace, labels.Everything(), cmprovider.ExternalMetricInfo{Metric: "loadline-query.web.lag"})
		if err != nil {
			return 0, err
		}
		return list.Items[0].Value.Value(), nil
	}

	<-policies.Synced()
	for namespace, want := range map[string]int64{"shop": 2, "other": 5} {
		if got, err := read(namespace); got != want || err != nil {
			t.Errorf("%s: %d, %v", namespace, got, err)
		}
	}
	if _, err := read("empty"); !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	src.mu.Lock()
	slices.Sort(src.asked)
	if want := []string{`-----sum(lag{namespace="other"})`, `--sum(lag{namespace="shop"})`}; !slices.Equal(src.asked, want) {
		t.Errorf("asked %q", src.asked)
	}
	src.mu.Unlock()

	events.Modify(lagPolicy("shop", 3))
	deadline := time.After(10 * time.Second)
	for changed := false; ; {
		got, err := read("shop")
		if got == 3 {
			break
		}
		changed = changed || err != nil
		if changed && err == nil || err != nil && !apierrors.IsServiceUnavailable(err) {
			t.Fatalf("after the change: %d, %v", got, err)
		}
		select {
		case <-deadline:
			t.Fatalf("still %d, %v", got, err)
		default:
		}
	}
	events.Delete(lagPolicy("shop", 3))
	for err := error(nil); !apierrors.IsNotFound(err); _, err = read("shop") {
		select {
		case <-deadline:
			t.Fatal("still served")
		default:
		}
	}
	if !wanted.Has(metric.Identifier{API: metric.External, Namespace: "shop", Metric: "loadline-query.web.lag"}) {
		t.Error("it was not wanted")
	}
}

// listFirst is a client that lists before it watches.
type listFirst struct{}

func (listFirst) IsWatchListSemanticsUnSupported() bool { return true }
