package eval_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// The same series are those of two sources, under two names.
const twoSources = `
sources:
- {name: far, url: "http://far"}
externalRules:
- seriesQuery: '{__name__=~"queue_.*"}'
  resources: {namespaced: false}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'
- seriesQuery: '{__name__=~"queue_.*"}'
  source: far
  name: {matches: '^queue_(.*)$', as: 'far_$1'}
  resources: {namespaced: false}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'
`

// routed is a router over two sources.
type routed struct {
	*eval.Router
	first     *eval.Evaluator // of near
	near, far *backend
	catalog   *catalog.Catalog
	demand    *demand.Registry
	store     *store.Store
	registry  *prometheus.Registry
	metrics   *eval.Metrics
}

func route(t *testing.T) *routed {
	t.Helper()
	rules, err := rule.Compile([]byte(twoSources))
	if err != nil {
		t.Fatal(err)
	}
	r := &routed{
		near: &backend{}, far: &backend{}, store: store.New(), registry: prometheus.NewRegistry(),
		demand: demand.New(demand.Limits{Total: 5000, PerNamespace: 5000, Idle: idle}),
	}
	r.catalog = catalog.New(catalog.Options{
		Rules: rules, Source: r.near, Sources: map[string]catalog.Discoverer{"far": r.far}, Scopes: newCluster(), MaxAge: time.Hour, Now: time.Now,
	})
	r.catalog.Relist(t.Context())
	r.metrics = eval.NewMetrics(r.registry)
	r.first = r.member("", r.near)
	r.Router = eval.NewRouter(r.sourceOf, map[string]*eval.Evaluator{"": r.first, "far": r.member("far", r.far)})
	return r
}

func (r *routed) sourceOf(id metric.Identifier) string {
	if e, ok := r.catalog.External(id.Metric); ok {
		return e.Rule.Source()
	}
	return ""
}

func (r *routed) member(name string, b *backend) *eval.Evaluator {
	return eval.New(eval.Options{
		Name: name, Source: b, Catalog: r.catalog, Objects: objects{}, Mapper: newCluster(), Store: r.store, Demand: r.demand,
		Metrics: r.metrics, Interval: interval, Timeout: timeout, Concurrency: concurrency, Now: time.Now,
		Discovered: func() (bool, error) { return r.catalog.Outcome(name) },
	})
}

func (r *routed) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
}

func far(i int) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: fmt.Sprintf("far_%02d", i), Namespace: "a"}
}

// While one source hangs, with many times more wanted of it than it has slots, the metrics of
// the other are evaluated on pace and at once when they are new, and only that one is away.
func TestRouterWhereOneSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route(t)
		r.far.set(hang)
		wanted := queues(5)
		for i := range 20 {
			wanted = append(wanted, far(i))
		}
		if _, err := r.demand.Reference("ns/hpa", wanted); err != nil {
			t.Fatal(err)
		}
		r.run(t)
		for range 6 {
			time.Sleep(interval)
			synctest.Wait()
			for _, id := range queues(5) {
				if s := r.store.Get(id); s == nil || s.Err != nil || time.Since(s.Data.Evaluated) > 0 {
					t.Fatalf("%s: %+v", id, s)
				}
			}
		}
		if n := len(r.near.take()); n != 7*5 {
			t.Errorf("it was asked %d times, want 5 in each of 7 looks", n)
		}
		if err := r.Outage(queue(0)); err != nil {
			t.Errorf("the source that answers: %v", err)
		}
		if r.Outage(far(0)) == nil {
			t.Error("no outage of the one that hangs")
		}
		if diff := cmp.Diff(map[string]bool{"": true, "far": false}, r.Up()); diff != "" {
			t.Errorf("up (-want +got):\n%s", diff)
		}
		if silent := time.Since(r.Beat()); silent > interval+timeout {
			t.Errorf("the last sign of life was %s ago", silent)
		}
		if err := r.demand.Read(queue(7), time.Now()); err != nil {
			t.Fatal(err)
		}
		r.Soon(queue(7))
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if s := r.store.Get(queue(7)); s == nil || s.Err != nil {
			t.Errorf("a new metric of the other source: %+v", s)
		}
		if s := r.store.Get(far(0)); s == nil || metric.ReasonOf(s.Err) != metric.SourceFailed {
			t.Errorf("one of the source that hangs: %+v", s)
		}
	})
}

// Equal queries to two sources are two.
func TestRouterAsksEachSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route(t)
		if _, err := r.demand.Reference("ns/hpa", []metric.Identifier{queue(0), far(0)}); err != nil {
			t.Fatal(err)
		}
		r.First(t.Context(), r.catalog.Listed)
		for name, b := range map[string]*backend{"near": r.near, "far": r.far} {
			if diff := cmp.Diff([]string{"sum(queue_00{})"}, b.take()); diff != "" {
				t.Errorf("%s was asked (-want +got):\n%s", name, diff)
			}
		}
		if got := r.store.Get(far(0)).Data.Source; got != "far" {
			t.Errorf("the value is of source %q", got)
		}
		var text strings.Builder
		if err := r.Explain(t.Context()).Text(&text); err != nil {
			t.Fatal(err)
		}
		want := `externalRules[0]: a query of its own: the read gives no label a value: sum(queue_00{})
  sum(queue_00{})
    external/namespaces/a/queue_00
externalRules[1], source far: a query of its own: the read gives no label a value: sum(queue_00{})
  sum(queue_00{})
    external/namespaces/a/far_00
`
		if diff := cmp.Diff(want, text.String()); diff != "" {
			t.Errorf("explained (-want +got):\n%s", diff)
		}
		err := testutil.GatherAndCompare(r.registry, strings.NewReader(`
# HELP loadline_queries_total Queries sent to a source, by rule and outcome.
# TYPE loadline_queries_total counter
loadline_queries_total{outcome="ok",rule="externalRules[0]",source="default"} 1
loadline_queries_total{outcome="ok",rule="externalRules[1]",source="far"} 1
`), "loadline_queries_total")
		if err != nil {
			t.Error(err)
		}
	})
}

// What is waited for before a replica is ready: every source, but for one that hangs only a
// while where another has answered.
func TestRouterFirst(t *testing.T) {
	const never = time.Hour
	for name, tc := range map[string]struct {
		near, far time.Duration // until their series are known
		hangs     bool          // the queries of far
		limit     time.Duration
		want      time.Duration
	}{
		"both answer":                     {0, time.Second, false, time.Minute, time.Second},
		"one takes longer, but not long":  {0, timeout, false, time.Minute, timeout},
		"one hangs":                       {0, never, false, time.Minute, timeout + 2*time.Second},
		"it hangs when it is asked":       {0, 0, true, time.Minute, timeout},
		"the other one is slow":           {20 * time.Second, never, false, time.Minute, 20 * time.Second},
		"both hang":                       {never, never, false, time.Minute, time.Minute},
		"one hangs, the other when asked": {never, 0, true, time.Minute, time.Minute},
		"there is no time":                {0, never, false, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := route(t)
				if tc.hangs {
					r.far.set(hang)
				}
				if _, err := r.demand.Reference("ns/hpa", []metric.Identifier{queue(0), far(0)}); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), tc.limit)
				defer cancel()
				began := time.Now()
				r.First(ctx, func(ctx context.Context, source string) bool {
					after := tc.near
					if source == "far" {
						after = tc.far
					}
					select {
					case <-time.After(after):
						return true
					case <-ctx.Done():
						return false
					}
				})
				if took := time.Since(began); took != tc.want {
					t.Errorf("it took %s, want %s", took, tc.want)
				}
				for id, listed := range map[metric.Identifier]time.Duration{queue(0): tc.near, far(0): tc.far} {
					s := r.store.Get(id)
					if there := s != nil && s.Data != nil; there != (listed < tc.limit && !(tc.hangs && id == far(0))) {
						t.Errorf("%s has a value: %t", id, there)
					}
				}
			})
		})
	}
}

// Another evaluator takes the place of one whose source hangs, which ends at once; the one
// that stays goes on. Of a source that is gone nothing is left.
func TestRouterSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route(t)
		r.far.set(hang)
		if _, err := r.demand.Reference("ns/hpa", []metric.Identifier{queue(0), far(0)}); err != nil {
			t.Fatal(err)
		}
		r.run(t)
		another := &backend{}
		r.Set(map[string]*eval.Evaluator{"": r.first, "far": r.member("far", another)})
		synctest.Wait()
		if s := r.store.Get(far(0)); s == nil || s.Err != nil {
			t.Errorf("with the other source: %+v", s)
		}
		r.far.take()
		r.near.take()
		time.Sleep(6 * interval)
		synctest.Wait()
		if n := len(r.far.take()); n > 0 {
			t.Errorf("the old source was asked %d times", n)
		}
		if a, b := len(r.near.take()), len(another.take()); a != 6 || b != 7 {
			t.Errorf("the one that stays was asked %d times, the new one %d", a, b)
		}

		r.Set(map[string]*eval.Evaluator{"": r.first})
		synctest.Wait()
		if diff := cmp.Diff(map[string]bool{"": true}, r.Up()); diff != "" {
			t.Errorf("up (-want +got):\n%s", diff)
		}
		if n, err := testutil.GatherAndCount(r.registry, "loadline_queries_total", "loadline_query_duration_seconds"); n != 2 || err != nil {
			t.Errorf("%d series of our own metrics, %v", n, err)
		}
		if got := r.Asks(t.Context(), far(0)); metric.ReasonOf(got.Err) != metric.SourceFailed || got.Err.Error() != `there is no source "far"` {
			t.Errorf("of a source that is gone: %+v", got)
		}
		// Until the catalog knows it, too, nobody sees to its metrics.
		r.Soon(far(0))
		if err := r.Outage(far(0)); err != nil {
			t.Error(err)
		}
		time.Sleep(interval)
		synctest.Wait()
		if n := len(another.take()); n > 0 {
			t.Errorf("the source that is gone was asked %d times", n)
		}
	})
}

// An evaluator leaves a metric of another source's rule alone, also when it is told to
// evaluate it. What no rule gives is of the source without a name.
func TestEvaluatorLeavesOtherSourcesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := route(t)
		near := r.member("", r.near)
		near.Evaluate(t.Context(), []metric.Identifier{far(0), queue(0)})
		if diff := cmp.Diff([]string{"sum(queue_00{})"}, r.near.take()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if s := r.store.Get(far(0)); s != nil {
			t.Errorf("stored %+v", s)
		}
		unknown := metric.Identifier{API: metric.External, Metric: "unknown", Namespace: "a"}
		r.member("far", r.far).Evaluate(t.Context(), []metric.Identifier{unknown})
		if s := r.store.Get(unknown); s != nil {
			t.Errorf("the other source stored %+v", s)
		}
		near.Evaluate(t.Context(), []metric.Identifier{unknown})
		if s := r.store.Get(unknown); s == nil || metric.ReasonOf(s.Err) != metric.Undefined {
			t.Errorf("stored %+v", s)
		}
	})
}
