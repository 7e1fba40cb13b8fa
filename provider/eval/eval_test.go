package eval_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const config = `
rules:
- seriesQuery: 'requests{namespace!="",pod!=""}'
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(requests{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: '{__name__=~"queue_.*"}'
  resources: {namespaced: false}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'
`

const (
	interval    = 10 * time.Second
	timeout     = 5 * time.Second
	idle        = 5 * time.Minute
	concurrency = 3
)

// cluster is a REST mapper with scopes.
type cluster struct{ *meta.DefaultRESTMapper }

func newCluster() cluster {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	return cluster{m}
}

func (cluster) Namespaced(gr schema.GroupResource) (bool, error) {
	return gr.Resource != "namespaces", nil
}

// backend is a source that can be told to hang or to refuse.
type backend struct {
	mu    sync.Mutex
	asked []string
	// answer decides how a query ends; nil answers 1 to everything.
	answer func(ctx context.Context, promQL string) (source.Answer, error)
}

func (b *backend) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	series := []source.Series{{Name: "requests", Labels: []string{"namespace", "pod"}}, {Name: "backlog", Labels: []string{"namespace"}}}
	for i := range 20 {
		series = append(series, source.Series{Name: fmt.Sprintf("queue_%02d", i)})
	}
	return series, nil
}

func (b *backend) Query(ctx context.Context, promQL string) (source.Answer, error) {
	b.mu.Lock()
	b.asked = append(b.asked, promQL)
	answer := b.answer
	b.mu.Unlock()
	if answer == nil {
		return one(), nil
	}
	return answer(ctx, promQL)
}

func (b *backend) set(answer func(context.Context, string) (source.Answer, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// take returns what was asked since the last call.
func (b *backend) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

func one() source.Answer {
	return source.Answer{Samples: []source.Sample{{Labels: promlabels.FromStrings("pod", "p1"), Value: 1, Time: time.Now()}}}
}

func hang(ctx context.Context, _ string) (source.Answer, error) {
	<-ctx.Done()
	return source.Answer{}, &source.Error{Kind: source.Timeout, Text: "no answer", Err: ctx.Err()}
}

// objects has the pods p1 and p2 in every namespace, and lets the list of
// namespace "stuck" hang.
type objects struct{}

func (objects) Names(ctx context.Context, _ schema.GroupResource, namespace string, _ labels.Selector, _ string) ([]string, error) {
	switch namespace {
	case "stuck":
		<-ctx.Done()
		return nil, metric.Because(metric.ObjectsUnknown, ctx.Err(), "no list")
	case "empty":
		return nil, nil
	}
	return []string{"p1", "p2"}, nil
}

func (objects) Count(schema.GroupResource, string) (int, bool) { return 2, true }

func (o objects) Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	names, err := o.Names(ctx, gr, namespace, nil, "")
	return slices.Contains(names, name), err
}

type fixture struct {
	*eval.Evaluator
	source   *backend
	demand   *demand.Registry
	store    *store.Store
	registry *prometheus.Registry
}

// setup must be called inside a bubble.
func setup(t *testing.T) *fixture { return setupWith(t, func(*eval.Options) {}) }

func setupWith(t *testing.T, change func(*eval.Options)) *fixture {
	t.Helper()
	return setupRules(t, config, change)
}

func setupRules(t *testing.T, config string, change func(*eval.Options)) *fixture {
	t.Helper()
	rules, err := rule.Compile([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		source: &backend{}, store: store.New(), registry: prometheus.NewRegistry(),
		demand: demand.New(demand.Limits{Total: 5000, PerNamespace: 5000, Idle: idle}),
	}
	known := catalog.New(catalog.Options{Rules: rules, Source: f.source, Scopes: newCluster(), MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	o := eval.Options{
		Source: f.source, Catalog: known, Objects: objects{}, Mapper: newCluster(), Demand: f.demand, Store: f.store,
		Metrics: eval.NewMetrics(f.registry), Interval: interval, Timeout: timeout, Concurrency: concurrency, Now: time.Now,
		Share: 1, // most tests are about queries that wait for each other; see sharing_test.go
	}
	change(&o)
	f.Evaluator = eval.New(o)
	return f
}

// run runs the evaluator until the test ends, and waits for its first pass.
func (f *fixture) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
}

func (f *fixture) want(t *testing.T, ids ...metric.Identifier) {
	t.Helper()
	if _, err := f.demand.Reference("ns/hpa", ids); err != nil {
		t.Fatal(err)
	}
}

func queue(i int) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: fmt.Sprintf("queue_%02d", i), Namespace: "a"}
}

func queues(n int) []metric.Identifier {
	var ids []metric.Identifier
	for i := range n {
		ids = append(ids, queue(i))
	}
	return ids
}

func pods(namespace, selector string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: namespace, Selector: selector, Resource: schema.GroupResource{Resource: "pods"}}
}

// reason of the newest attempt; "ok", or "none" where there was none.
func (f *fixture) reason(id metric.Identifier) string {
	s := f.store.Get(id)
	switch {
	case s == nil:
		return "none"
	case s.Err == nil:
		return "ok"
	}
	return string(metric.ReasonOf(s.Err))
}

func TestEvaluateEndsEachInItsOwnWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			switch {
			case strings.Contains(promQL, "queue_00"):
				return source.Answer{}, &source.Error{Kind: source.Rejected, Text: "many-to-many matching"}
			case strings.Contains(promQL, "queue_01"):
				return source.Answer{}, nil
			}
			return one(), nil
		})
		unknown := metric.Identifier{API: metric.External, Metric: "nowhere", Namespace: "a"}
		badSelector := pods("a", "==")
		began := time.Now()
		result := f.Evaluate(t.Context(), []metric.Identifier{
			unknown, badSelector, queue(0), queue(1), queue(2), pods("a", ""), pods("empty", ""), pods("stuck", ""), pods("b", "x=y"),
		})
		if took := time.Since(began); took != timeout {
			t.Errorf("took %s: one list that hangs costs one deadline, %s", took, timeout)
		}
		got := map[string]string{}
		for _, id := range []metric.Identifier{unknown, badSelector, queue(0), queue(1), queue(2), pods("a", ""), pods("empty", ""), pods("stuck", ""), pods("b", "x=y")} {
			got[id.String()] = f.reason(id)
		}
		want := map[string]string{
			"external/namespaces/a/nowhere":                         "undefined",
			"custom/namespaces/a/pods/*/requests?labelSelector===":  "invalid",
			"external/namespaces/a/queue_00":                        "source-failed",
			"external/namespaces/a/queue_01":                        "ok",
			"external/namespaces/a/queue_02":                        "ok",
			"custom/namespaces/a/pods/*/requests":                   "ok",
			"custom/namespaces/empty/pods/*/requests":               "ok",
			"custom/namespaces/stuck/pods/*/requests":               "objects-unknown",
			"custom/namespaces/b/pods/*/requests?labelSelector=x=y": "ok",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(eval.Result{Answered: 5}, result); diff != "" {
			t.Errorf("a refusal is an answer (-want +got):\n%s", diff)
		}
		data := f.store.Get(pods("a", "")).Data
		v := data.Objects["p1"].Quantity
		if v.MilliValue() != 1000 || len(data.Objects) != 1 {
			t.Errorf("objects %v", data.Objects)
		}
		if d := f.store.Get(queue(1)).Data; d == nil || len(d.Series) != 0 {
			t.Errorf("an answer without samples gave %+v", d)
		}
		err := testutil.GatherAndCompare(f.registry, strings.NewReader(`
# HELP loadline_queries_total Queries sent to a source, by rule and outcome.
# TYPE loadline_queries_total counter
loadline_queries_total{outcome="ok",rule="externalRules[0]",source="default"} 2
loadline_queries_total{outcome="ok",rule="rules[0]",source="default"} 2
loadline_queries_total{outcome="rejected",rule="externalRules[0]",source="default"} 1
`), "loadline_queries_total")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestEqualReadsShareOneQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(func(context.Context, string) (source.Answer, error) {
			time.Sleep(time.Second) // fake: a slow source
			return one(), nil
		})
		f.run(t)
		// Two selectors that match the same pods, asked again and again while the
		// first query is still under way.
		web, all := pods("a", "app=web"), pods("a", "")
		for range 50 {
			for _, id := range []metric.Identifier{web, all} {
				if err := f.demand.Read(id, time.Now()); err != nil {
					t.Fatal(err)
				}
				f.Soon(id)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{`sum(requests{namespace="a",pod=~"p1|p2"}) by (pod)`}, f.source.take()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if f.reason(web) != "ok" || f.store.Get(web).Data != f.store.Get(all).Data {
			t.Error("the two did not get one answer")
		}
		// What was evaluated may be evaluated again.
		f.Soon(web)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if asked := f.source.take(); len(asked) != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestHungSourceCostsOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(hang)
		f.want(t, queues(20)...)
		began := time.Now()
		result := f.Evaluate(t.Context(), queues(20))
		if took := time.Since(began); took != timeout {
			t.Errorf("took %s, want %s", took, timeout)
		}
		if asked := f.source.take(); len(asked) != concurrency {
			t.Errorf("asked %d times, want once a slot", len(asked))
		}
		want := eval.Result{Unreachable: 20, Err: &source.Error{Kind: source.Timeout, Text: "no answer"}}
		if diff := cmp.Diff(want, result, cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, id := range queues(20) {
			if got := f.reason(id); got != "source-failed" {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

func TestOutageIsSetAndCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.want(t, queues(7)...)
		f.run(t)
		if err := f.Outage(); err != nil {
			t.Fatalf("outage: %v", err)
		}
		healthy := f.store.Get(queue(0)).Data

		f.source.set(hang)
		time.Sleep(interval + timeout)
		synctest.Wait()
		if f.Outage() == nil {
			t.Error("no outage while nothing answers")
		}
		s := f.store.Get(queue(0))
		if s.Data != healthy || metric.ReasonOf(s.Err) != metric.SourceFailed {
			t.Errorf("the last data and the reason must both be there: %+v", s)
		}

		f.source.set(nil)
		time.Sleep(interval)
		synctest.Wait()
		if err := f.Outage(); err != nil {
			t.Errorf("still an outage after one interval: %v", err)
		}
		for _, id := range queues(7) {
			if got := f.reason(id); got != "ok" || time.Since(f.store.Get(id).Data.Evaluated) > interval {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

// Queries that always time out must not keep others from being sent, although
// enough of them in a row look like a source that is away.
func TestSlowQueriesDoNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		slow := map[string]bool{}
		for i := range concurrency + 1 {
			slow[fmt.Sprintf("sum(queue_%02d{})", i)] = true
		}
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			if slow[promQL] {
				return hang(ctx, promQL)
			}
			return one(), nil
		})
		f.want(t, queues(10)...)
		// The worst order: the slow ones first, with nothing known about any.
		f.Evaluate(t.Context(), queues(10))
		for range 5 {
			time.Sleep(interval)
			f.source.take()
			result := f.Evaluate(t.Context(), queues(10))
			if result.Answered == 0 {
				t.Fatal("nothing was answered: the slow queries starve the others")
			}
			if result.Unreachable == 0 {
				t.Fatal("the slow queries were answered: this test tests nothing")
			}
			for i := concurrency + 1; i < 10; i++ {
				if got := f.reason(queue(i)); got != "ok" {
					t.Errorf("%s: %s", queue(i), got)
				}
			}
		}
	})
}

func TestLongestWaitingGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(func(context.Context, string) (source.Answer, error) {
			time.Sleep(100 * time.Millisecond)
			return one(), nil
		})
		f.want(t, queues(6)...)
		for _, i := range []int{4, 2, 0, 3, 1} {
			f.Evaluate(t.Context(), []metric.Identifier{queue(i)})
		}
		f.source.take()
		f.Evaluate(t.Context(), queues(6)) // queue_05 was never evaluated
		got := f.source.take()
		// Within one wave of slots the order is the scheduler's.
		slices.Sort(got[:concurrency])
		slices.Sort(got[concurrency:])
		want := []string{"sum(queue_02{})", "sum(queue_04{})", "sum(queue_05{})", "sum(queue_00{})", "sum(queue_01{})", "sum(queue_03{})"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestConcurrencyBoundsAllEvaluationsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		var mu sync.Mutex
		now, most := 0, 0
		f.source.set(func(context.Context, string) (source.Answer, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
			return one(), nil
		})
		f.run(t)
		f.want(t, queues(20)...)
		for _, id := range queues(20) {
			f.Soon(id)
			time.Sleep(6 * time.Millisecond) // a gathering each
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, id := range queues(20) {
			if got := f.reason(id); got != "ok" {
				t.Errorf("%s: %s", id, got)
			}
		}
		if most != concurrency {
			t.Errorf("%d queries at once, want %d", most, concurrency)
		}
	})
}

func TestUnwantedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.want(t, queue(0))
		if err := f.demand.Read(queue(1), time.Now()); err != nil {
			t.Fatal(err)
		}
		f.run(t)
		if f.reason(queue(0)) != "ok" || f.reason(queue(1)) != "ok" {
			t.Fatal("not evaluated")
		}
		time.Sleep(idle + 2*interval)
		synctest.Wait()
		f.source.take()
		time.Sleep(interval)
		synctest.Wait()
		if diff := cmp.Diff([]string{"sum(queue_00{})"}, f.source.take()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := f.reason(queue(1)); got != "none" {
			t.Errorf("still held: %s", got)
		}
	})
}

// However long everything takes, Beat is no older than an interval, as long as queries
// end. When they no longer do, it stops.
func TestBeatFollowsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.want(t, queues(20)...)
		f.source.set(func(context.Context, string) (source.Answer, error) {
			time.Sleep(4 * time.Second) // slow, within the deadline
			return one(), nil
		})
		f.run(t)
		for range 120 {
			time.Sleep(time.Second)
			synctest.Wait()
			if silent := time.Since(f.Beat()); silent > interval {
				t.Fatalf("no sign of life for %s in the middle of slow evaluations", silent)
			}
		}
		stuck := make(chan struct{})
		t.Cleanup(func() { close(stuck) }) // before Run is stopped
		f.source.set(func(context.Context, string) (source.Answer, error) {
			<-stuck // no deadline ends it
			return one(), nil
		})
		time.Sleep(2 * time.Minute)
		if silent := time.Since(f.Beat()); silent < time.Minute {
			t.Errorf("a sign of life %s ago, although no query ends", silent)
		}
	})
}

func TestRunEndsWhileTheSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(hang)
		f.want(t, queues(20)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		synctest.Wait()
		f.Soon(queue(19))
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took != 0 {
			t.Errorf("Run went on for %s", took)
		}
	})
}
