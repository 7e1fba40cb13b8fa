package eval_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// asleep is a catalog that is not to look for series.
type asleep struct {
	eval.Catalog
	t *testing.T
}

func (a asleep) Wake() { a.t.Error("the source is to be asked for series") }

// What is asked for one metric is its own query, whatever it is asked together with, and to
// say it nobody is asked.
func TestAsks(t *testing.T) {
	own := func(ns string) string { return `sum(requests{namespace="` + ns + `",pod=~"p1|p2"}) by (pod)` }
	for name, tc := range map[string]struct {
		share int
		id    metric.Identifier
		want  eval.Asked
		err   string
	}{
		"could be shared":     {0, pods("alpha", ""), eval.Asked{PromQL: own("alpha"), Objects: 2, Interval: interval}, ""},
		"is not shared":       {1, pods("alpha", ""), eval.Asked{PromQL: own("alpha"), Objects: 2, Interval: interval, Alone: "--share-queries=false"}, ""},
		"cannot be shared":    {0, queue(1), eval.Asked{PromQL: "sum(queue_01{})", Interval: interval, Alone: "the read gives no label a value: sum(queue_01{})"}, ""},
		"no objects":          {0, pods("empty", ""), eval.Asked{Interval: interval}, ""},
		"no rule":             {0, metric.Identifier{API: metric.External, Metric: "other", Namespace: "a"}, eval.Asked{Interval: interval}, "no rule gives a metric"},
		"a list not there":    {0, pods("stuck", ""), eval.Asked{Interval: interval}, "no list"},
		"a selector of which": {0, metric.Identifier{API: metric.External, Metric: "queue_01", Namespace: "a", MetricSelector: "a in ("}, eval.Asked{Interval: interval}, "metric selector"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Share, o.Catalog = tc.share, asleep{o.Catalog, t} })
				got := f.Asks(t.Context(), tc.id)
				said := ""
				if got.Err != nil {
					said, got.Err = got.Err.Error(), nil
				}
				if diff := cmp.Diff(tc.want, got); diff != "" || !strings.Contains(said, tc.err) || (said == "") != (tc.err == "") {
					t.Errorf("%q, want %q\n%s", said, tc.err, diff)
				}
				if asked := f.source.take(); len(asked) > 0 {
					t.Errorf("asked %q", asked)
				}
			})
		})
	}
}

// What is held says how it came to be: together with which others, and what the source
// remarked, unless that may be about others.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Share = 0 })
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			a, err := town{[]string{"alpha", "beta"}, nil}.query(ctx, promQL)
			a.Warnings = []string{"a", "b", "c", strings.Repeat("d", 5000)}
			return a, err
		})
		f.want(t, pods("alpha", ""), pods("beta", ""))
		f.Evaluate(t.Context(), f.demand.Wanted())
		d := f.store.Get(pods("alpha", "")).Data
		if d.Reads != 2 || strings.Join(d.ToldApartBy, ",") != "namespace,pod" || d.Remarks != 4 || len(d.Warnings) > 0 || len(d.Objects) != 2 {
			t.Errorf("of two: %+v", d)
		}
		f.Evaluate(t.Context(), []metric.Identifier{pods("alpha", "")})
		d = f.store.Get(pods("alpha", "")).Data
		if d.Reads != 1 || len(d.ToldApartBy) > 0 || d.Remarks != 4 || strings.Join(d.Warnings, "") != "abc" {
			t.Errorf("of one: %+v", d)
		}
	})
}
