package eval_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// fixed is a query that is the same for every read.
type fixed string

func (fixed) ID() string { return "policies" }

func (f fixed) Query(rule.Mapper, rule.QueryInput) (rule.Query, error) {
	return rule.Query{PromQL: string(f), Instant: true, MaxSeries: 1}, nil
}

type queryTable map[string]fixed

func (q queryTable) Query(namespace, name string) (plan.Renderer, bool, error) {
	f, ok := q[namespace+"/"+name]
	switch {
	case !strings.HasPrefix(name, metric.QueryPrefix):
		return nil, false, nil
	case !ok:
		return nil, true, metric.Errorf(metric.RuleFailed, "refused: too wide")
	}
	return f, true, nil
}

// atMost is a backend that says how much of an answer was wanted.
type atMost struct {
	*backend
	most []int // under the backend's lock
}

func (a *atMost) QueryAtMost(ctx context.Context, promQL string, most int) (source.Answer, error) {
	a.mu.Lock()
	a.most = append(a.most, most)
	a.mu.Unlock()
	answer, err := a.Query(ctx, promQL)
	answer.Samples = answer.Samples[:min(most, len(answer.Samples))]
	return answer, err
}

func samples(n int) source.Answer {
	var a source.Answer
	for i := range n {
		a.Samples = append(a.Samples, source.Sample{Labels: promlabels.FromStrings("pod", string(rune('a'+i))), Value: 1})
	}
	return a
}

// TestQueriesOfPolicies: they come before the catalog, give one series or an error,
// and leave rules' metrics as they are.
func TestQueriesOfPolicies(t *testing.T) {
	query := func(namespace, name string) metric.Identifier {
		return metric.Identifier{API: metric.External, Namespace: namespace, Metric: metric.QueryPrefix + name}
	}
	for name, limited := range map[string]bool{"any source": false, "a source that can leave off reading": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stops *atMost
				f := setupWith(t, func(o *eval.Options) {
					o.Queries = queryTable{
						"a/loadline-query.web.one": "one", "b/loadline-query.web.one": "one_of_b", "a/loadline-query.web.none": "none", "a/loadline-query.web.many": "many", "a/loadline-query.web.scalar": "scalar",
					}
					if limited {
						stops = &atMost{backend: o.Source.(*backend)}
						o.Source = stops
					}
				})
				f.source.set(func(_ context.Context, promQL string) (source.Answer, error) {
					switch {
					case promQL == "none":
						return samples(0), nil
					case promQL == "many", strings.Contains(promQL, "queue_00"):
						return samples(5), nil
					}
					return samples(1), nil
				})
				ids := []metric.Identifier{query("a", "web.one"), query("b", "web.one"), query("a", "web.none"), query("a", "web.many"), query("a", "web.wide"), query("c", "web.one"), queue(0)}
				f.Evaluate(t.Context(), ids)
				got := map[string]string{}
				for _, id := range ids {
					got[id.String()] = f.reason(id)
				}
				want := map[string]string{
					"external/namespaces/a/loadline-query.web.one":  "ok",
					"external/namespaces/b/loadline-query.web.one":  "ok",
					"external/namespaces/a/loadline-query.web.none": "ok", // and without a value, which the reader says
					"external/namespaces/a/loadline-query.web.many": "rule-failed",
					"external/namespaces/a/loadline-query.web.wide": "rule-failed",
					"external/namespaces/c/loadline-query.web.one":  "rule-failed",
					"external/namespaces/a/queue_00":                "ok",
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				asked := f.source.take()
				slices.Sort(asked)
				if diff := cmp.Diff([]string{"many", "none", "one", "one_of_b", "sum(queue_00{})"}, asked); diff != "" {
					t.Error(diff)
				}
				if err := f.store.Get(query("a", "web.many")).Err; err == nil || err.Error() != `the query gives more than one series, such as {pod="a"} and {pod="b"}: write sum( ) or another aggregation around it` {
					t.Error(err)
				}
				if n := len(f.store.Get(queue(0)).Data.Series); n != 5 {
					t.Errorf("a rule's metric has %d series", n)
				}
				if limited && !slices.Equal(stops.most, []int{2, 2, 2, 2}) {
					t.Errorf("asked for at most %v", stops.most)
				}
			})
		})
	}
}
