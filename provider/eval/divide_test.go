package eval_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// valueMaxAge is the default of --value-max-age: nobody is served an older value.
const valueMaxAge = 30 * time.Second

// What fails for some reads, or for many together, costs the others no value that is served,
// from its beginning on and for as long as it lasts. Nothing else is wanted of the source.
func TestTroubleOfSome(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return &source.Error{Kind: source.Timeout, Text: "no answer", Err: ctx.Err()}
	}
	// takes is a source that needs some time for each namespace.
	takes := func(each time.Duration) func(context.Context, string, []string) error {
		return func(ctx context.Context, _ string, namespaces []string) error {
			select {
			case <-time.After(time.Duration(len(namespaces)) * each):
				return nil
			case <-ctx.Done():
				return hang(ctx)
			}
		}
	}
	fails := func(kind source.Kind) func(context.Context) error {
		return func(context.Context) error {
			return &source.Error{Kind: kind, Text: "duplicate series for the match group", Quotes: true}
		}
	}
	of := func(err func(context.Context) error, culprits func(ns string) bool) func(context.Context, string, []string) error {
		return func(ctx context.Context, _ string, namespaces []string) error {
			if slices.ContainsFunc(namespaces, culprits) {
				return err(ctx)
			}
			return nil
		}
	}
	nobody := func(string) bool { return false }
	every := func(n int) func(string) bool {
		return func(ns string) bool {
			var i int
			_, err := fmt.Sscanf(ns, "n%d", &i)
			return err == nil && i%n == n/2
		}
	}
	for name, tc := range map[string]struct {
		reads    int
		trouble  func(ctx context.Context, promQL string, namespaces []string) error
		culprits func(ns string) bool // who has no value, rightly
		queries  int                  // an interval in the end, at most
	}{
		"one hangs":                             {200, of(hang, every(200)), every(200), 35},
		"four of 200 hang":                      {200, of(hang, every(50)), every(50), 100},
		"two of 600 hang":                       {600, of(hang, every(300)), every(300), 90},
		"too slow together":                     {200, takes(120 * time.Millisecond), nobody, 40},
		"much too slow together":                {600, takes(100 * time.Millisecond), nobody, 40},
		"one has a damaged chunk":               {200, of(fails(source.Unavailable), every(200)), every(200), 2},
		"one in twenty has an answer of no use": {400, of(fails(source.Malformed), every(20)), every(20), 25},
		"one is refused":                        {200, of(fails(source.Rejected), every(200)), every(200), 2},
		"one in twenty is refused":              {400, of(fails(source.Rejected), every(20)), every(20), 25},
		"one in four is refused":                {200, of(fails(source.Rejected), every(4)), every(4), 55},
		"every other one is refused":            {200, of(fails(source.Rejected), every(2)), every(2), 105},
		"more than so many are refused": {400, func(_ context.Context, _ string, namespaces []string) error {
			if len(namespaces) > 30 {
				return &source.Error{Kind: source.Rejected, Text: "too many samples"}
			}
			return nil
		}, nobody, 20},
		"what nobody asks about is at fault": {600, func(_ context.Context, promQL string, _ []string) error {
			if !strings.Contains(promQL, "pod=") {
				return &source.Error{Kind: source.Rejected, Text: "many-to-many"}
			}
			return nil
		}, nobody, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Share, o.Concurrency = 0, 16 })
				var ids, innocent []metric.Identifier
				for _, ns := range places(tc.reads) {
					ids = append(ids, pods(ns, ""))
					if !tc.culprits(ns) {
						innocent = append(innocent, pods(ns, ""))
					}
				}
				f.want(t, ids...)
				var begun atomic.Bool
				f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
					return town{places(tc.reads), func(ctx context.Context, about []string) error {
						if !begun.Load() {
							return nil
						}
						return tc.trouble(ctx, promQL, about)
					}}.query(ctx, promQL)
				})
				f.run(t)
				time.Sleep(2*interval + interval/2)
				begun.Store(true)
				// Longer than what is learnt is remembered.
				const look = 5 * time.Second
				for after := look; after <= 12*time.Minute; after += look {
					time.Sleep(look)
					synctest.Wait()
					for _, id := range innocent {
						s := f.store.Get(id)
						if s == nil || s.Data == nil || time.Since(s.Data.Evaluated) > valueMaxAge {
							t.Fatalf("after %s %s has no value that is served: %+v", after, id.Namespace, s)
						}
						if s.Err != nil && strings.Contains(s.Err.Error(), "match group") {
							t.Fatalf("%s is told of another: %v", id.Namespace, s.Err)
						}
					}
				}
				if len(innocent) < len(ids) && f.reason(ids[slices.IndexFunc(ids, func(id metric.Identifier) bool { return tc.culprits(id.Namespace) })]) != "source-failed" {
					t.Errorf("who is at fault is not told")
				}
				f.source.take()
				time.Sleep(3 * interval)
				synctest.Wait()
				if n := len(f.source.take()) / 3; n > tc.queries {
					t.Errorf("in the end %d queries an interval, want at most %d", n, tc.queries)
				}
			})
		})
	}
}

// What an empty answer means, where a warning is of an answer for others as well, is asked for
// by itself.
func TestNothingBesideAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupRules(t, `
externalRules:
- seriesQuery: 'backlog{namespace!=""}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'
  emptyValue: 0
`, func(o *eval.Options) { o.Share = 0 })
		var ids []metric.Identifier
		for _, ns := range []string{"a", "b", "c"} {
			ids = append(ids, metric.Identifier{API: metric.External, Metric: "backlog", Namespace: ns})
		}
		f.want(t, ids...)
		f.source.set(func(_ context.Context, promQL string) (a source.Answer, _ error) {
			for ns, warnings := range map[string][]string{"b": {"encountered a mix of histograms and floats"}, "c": nil} {
				if strings.Contains(promQL, ns+"|") || strings.Contains(promQL, ns+`"`) {
					a.Samples = append(a.Samples, source.Sample{Labels: labels.FromStrings("namespace", ns), Value: 3, Time: time.Now()})
					a.Warnings = append(a.Warnings, warnings...)
				}
			}
			return a, nil
		})
		f.Evaluate(t.Context(), ids)
		if asked := f.source.take(); len(asked) != 1 {
			t.Fatalf("they share no query: %q", asked)
		}
		if got := []string{f.reason(ids[0]), f.reason(ids[1]), f.reason(ids[2])}; !slices.Equal(got, []string{"source-failed", "ok", "ok"}) {
			t.Errorf("at first %v", got)
		}
		f.Evaluate(t.Context(), ids)
		if d := f.store.Get(ids[0]).Data; d == nil || len(d.Series) != 1 || !d.Series[0].Quantity.IsZero() {
			t.Errorf("then %+v, want the 0 of the read alone", d)
		}
	})
}

// A source that is away is asked for little, and everything together once it is back.
func TestAnOutageDividesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		f, ids := shared(t, 200, func(ctx context.Context, _ []string) error {
			if !away.Load() {
				return nil
			}
			<-ctx.Done()
			return &source.Error{Kind: source.Timeout, Text: "no answer", Err: ctx.Err()}
		})
		f.run(t)
		time.Sleep(interval + interval/2)
		away.Store(true)
		f.source.take()
		time.Sleep(5 * time.Minute)
		if f.Outage() == nil {
			t.Error("the source does not count as away")
		}
		if n, most := len(f.source.take()), 2*int(5*time.Minute/interval)+4; n > most {
			t.Errorf("%d queries in an outage of 5 minutes, want at most %d", n, most)
		}
		away.Store(false)
		time.Sleep(2 * interval)
		f.source.take()
		time.Sleep(interval)
		synctest.Wait()
		if ok, others := f.outcomes(t, ids); ok != 200 || f.Outage() != nil {
			t.Errorf("%d have values, others %v; outage %v", ok, others, f.Outage())
		}
		if n := len(f.source.take()); n != 1 {
			t.Errorf("then %d queries an interval", n)
		}
	})
}

// One that stops answering while a query waits is not searched for who is at fault, although it
// has answered another one meanwhile.
func TestAnOutageThatBeginsBesideAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		refused := func(context.Context, []string) error {
			if away.Load() {
				return &source.Error{Kind: source.Unavailable, Text: "connection refused"}
			}
			return nil
		}
		f, ids := shared(t, 200, nil)
		f.want(t, append(ids, queue(0))...)
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			switch external := strings.Contains(promQL, "queue_"); {
			case away.Load():
			case external:
				time.Sleep(100 * time.Millisecond)
				return one(), refused(ctx, nil)
			default:
				time.Sleep(time.Second)
			}
			return town{places(200), refused}.query(ctx, promQL)
		})
		f.run(t)
		time.Sleep(2*interval + 500*time.Millisecond) // one is answered, the other waits
		f.source.take()
		away.Store(true)
		time.Sleep(2 * interval)
		if n := len(f.source.take()); n > 15 {
			t.Errorf("%d queries in an outage of two intervals", n)
		}
		if f.Outage() == nil {
			t.Error("the source does not count as away")
		}
		away.Store(false)
		time.Sleep(interval + interval/2)
		f.source.take()
		time.Sleep(interval)
		if n := len(f.source.take()); n != 2 {
			t.Errorf("then %d queries an interval, want 2", n)
		}
	})
}
