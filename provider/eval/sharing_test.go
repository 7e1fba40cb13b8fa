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

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// town is a source with requests of the pods p1 and p2 in some namespaces, the value of
// which is the namespace's place, and p2's is a tenth more.
type town struct {
	namespaces []string
	// trouble is how a query about these namespaces ends; nil for none.
	trouble func(ctx context.Context, namespaces []string) error
}

func (w town) query(ctx context.Context, promQL string) (source.Answer, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(promQL)
	if err != nil {
		return source.Answer{}, err
	}
	by := expr.(*parser.AggregateExpr).Grouping
	var a source.Answer
	var about []string
	for i, ns := range w.namespaces {
		if !strings.Contains(promQL, ns) && strings.Contains(promQL, "namespace=") { // quick
			continue
		}
		for j, pod := range []string{"p1", "p2"} {
			l := promlabels.FromStrings("__name__", "requests", "namespace", ns, "pod", pod)
			if !matches(parser.ExtractSelectors(expr)[0], l) {
				continue
			}
			about = append(about, ns)
			a.Samples = append(a.Samples, source.Sample{
				Labels: promlabels.NewBuilder(l).Keep(by...).Labels(), Value: float64(i) + float64(j)/10, Time: time.Now(),
			})
		}
	}
	if w.trouble != nil {
		if err := w.trouble(ctx, slices.Compact(about)); err != nil {
			return source.Answer{}, err
		}
	}
	return a, nil
}

func matches(all []*promlabels.Matcher, l promlabels.Labels) bool {
	return !slices.ContainsFunc(all, func(m *promlabels.Matcher) bool { return !m.Matches(l.Get(m.Name)) })
}

// names of n namespaces.
func places(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("n%03d", i))
	}
	return out
}

// shared has an HPA in each of n namespaces want the metric of its pods, and looks at it
// once.
func shared(t *testing.T, n int, trouble func(context.Context, []string) error) (*fixture, []metric.Identifier) {
	t.Helper()
	f := setupWith(t, func(o *eval.Options) { o.Share = 0 })
	w := town{places(n), trouble}
	f.source.set(w.query)
	var ids []metric.Identifier
	for _, ns := range w.namespaces {
		ids = append(ids, pods(ns, ""))
	}
	f.want(t, ids...)
	f.source.take()
	return f, ids
}

// outcomes are those of some metrics: how many have the values that are their own, and the
// namespaces of the others with why.
func (f *fixture) outcomes(t *testing.T, ids []metric.Identifier) (ok int, others []string) {
	t.Helper()
	for i, id := range ids {
		s := f.store.Get(id)
		if f.reason(id) != "ok" {
			others = append(others, fmt.Sprintf("%s %s", id.Namespace, f.reason(id)))
			continue
		}
		got := map[string]int64{}
		for name, v := range s.Data.Objects {
			got[name] = v.Quantity.MilliValue()
		}
		if diff := cmp.Diff(map[string]int64{"p1": int64(i) * 1000, "p2": int64(i)*1000 + 100}, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", id, diff)
		}
		if want := fmt.Sprintf(`namespace=%q`, id.Namespace); !strings.Contains(s.Data.PromQL, want) {
			t.Errorf("%s is said to be of %s", id, s.Data.PromQL)
		}
		ok++
	}
	return ok, others
}

// Reads of many namespaces are one query, and each finds its own values.
func TestReadsShareAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ids := shared(t, 200, nil)
		f.Evaluate(t.Context(), ids)
		if ok, others := f.outcomes(t, ids); ok != 200 {
			t.Errorf("%d, others %v", ok, others)
		}
		if asked := f.source.take(); len(asked) != 1 {
			t.Errorf("%d queries: %v", len(asked), asked)
		}
	})
}

// What is only read does not share with what HPAs want, nor what was left unanswered with
// what was answered.
func TestKindsOfDemandDoNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ids := shared(t, 4, nil)
		f.source.set(town{append(places(4), "read"), nil}.query)
		read := pods("read", "")
		f.read(t, read)
		f.store.Fail(ids[3], time.Now().Add(-time.Second), metric.Because(metric.SourceFailed, &source.Error{Kind: source.Timeout}, "no answer"))
		f.Evaluate(t.Context(), append(slices.Clone(ids), read))
		var queries []string
		for _, q := range f.source.take() {
			queries = append(queries, q[strings.Index(q, "{"):strings.Index(q, "}")+1])
		}
		slices.Sort(queries)
		want := []string{`{namespace="n003",pod=~"p1|p2"}`, `{namespace="read",pod=~"p1|p2"}`, `{namespace=~"n000|n001|n002",pod=~"p1|p2"}`}
		if diff := cmp.Diff(want, queries); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// about refuses a query that is about one of some namespaces.
func about(kind source.Kind, culprits ...string) func(context.Context, []string) error {
	return func(_ context.Context, namespaces []string) error {
		for _, c := range culprits {
			if slices.Contains(namespaces, c) {
				return &source.Error{Kind: kind, Text: "many-to-many matching"}
			}
		}
		return nil
	}
}

// One whose own query fails fails alone, at once; the next time it is asked apart.
func TestWhatFailsFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ids := shared(t, 200, about(source.Rejected, "n077"))
		f.Evaluate(t.Context(), ids)
		ok, others := f.outcomes(t, ids)
		if diff := cmp.Diff([]string{"n077 source-failed"}, others); diff != "" || ok != 199 {
			t.Errorf("%d, (-want +got):\n%s", ok, diff)
		}
		if n := len(f.source.take()); n > 1+2*8 {
			t.Errorf("it took %d queries to find one of 200", n)
		}
		time.Sleep(interval)
		f.Evaluate(t.Context(), ids)
		if n := len(f.source.take()); n != 2 {
			t.Errorf("then %d queries", n)
		}
	})
}

// An answer that is too large is asked for in parts, which are remembered.
func TestAnAnswerThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ids := shared(t, 100, func(_ context.Context, namespaces []string) error {
			if len(namespaces) > 30 {
				return &source.Error{Kind: source.Oversized, Text: "more than 60 values"}
			}
			return nil
		})
		f.Evaluate(t.Context(), ids)
		if ok, others := f.outcomes(t, ids); ok != 100 {
			t.Errorf("%d, others %v", ok, others)
		}
		f.source.take()
		time.Sleep(interval)
		f.Evaluate(t.Context(), ids)
		if n := len(f.source.take()); n != 4 {
			t.Errorf("%d queries for 100 namespaces, 25 each", n)
		}
	})
}

// After ten minutes they are asked together again.
func TestSharingIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		bad.Store(true)
		f, ids := shared(t, 8, func(ctx context.Context, namespaces []string) error {
			if bad.Load() {
				return about(source.Rejected, "n003")(ctx, namespaces)
			}
			return nil
		})
		f.run(t)
		time.Sleep(interval)
		bad.Store(false)
		time.Sleep(11 * time.Minute)
		f.source.take()
		time.Sleep(interval)
		synctest.Wait()
		asked := f.source.take()
		if len(asked) == 0 || slices.ContainsFunc(asked, func(q string) bool { return !strings.Contains(q, "n000|n001|n002|n003") }) {
			t.Errorf("queries: %v", asked)
		}
		if ok, others := f.outcomes(t, ids); ok != 8 {
			t.Errorf("%d, others %v", ok, others)
		}
	})
}
