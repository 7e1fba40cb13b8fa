package rule

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestDrops(t *testing.T) {
	for query, want := range map[string]bool{
		`x`:                                false,
		`(sum(x))`:                         true,
		`-sum(x)`:                          true,
		`sum by (pod) (x)`:                 false,
		`sum by (node) (x)`:                true,
		`sum by (pod) (sum by (node) (x))`: true,
		`sum without (node) (x)`:           false,
		`sum without (pod) (x)`:            true,
		`sum without (node) (sum(x))`:      true,
		`topk(3, x)`:                       false,
		`topk by (node) (3, x)`:            false,
		`topk(3, sum(x))`:                  true,
		`quantile(0.9, x)`:                 true,
		`count_values("pod", x)`:           false,
		`count_values("v", x)`:             true,
		`sum(x) * 2`:                       true,
		`2 * x`:                            false,
		`1`:                                true,
		`time()`:                           true,
		`vector(1)`:                        true,
		`scalar(x)`:                        true,
		`absent(x{pod="a"})`:               false,
		`label_replace(sum(x), "pod", "a", "", "")`: false,
		`sum(x) or y`:                                         false,
		`sum(x) or sum(y)`:                                    true,
		`sum(x) and on() y`:                                   true,
		`y unless on() sum(x)`:                                false,
		`sum by (pod) (x) / sum by (pod) (y)`:                 false,
		`sum by (pod) (x) / on(pod) sum by (pod) (y)`:         false,
		`x / on(node) y`:                                      true,
		`x / ignoring(pod) y`:                                 true,
		`x > on(node) y`:                                      false,
		`sum(x) / on(node) group_left(pod) y`:                 false,
		`sum(x) * on() group_right() sum by (pod) (y)`:        false,
		`sum by (pod) (x) * on() group_right() sum(y)`:        true,
		`sum by (pod) (x) * on() group_left() sum(y)`:         false,
		`rate(x[5m])`:                                         false,
		`max_over_time(sum(x)[5m:])`:                          false, // not looked into: certain only
		`sum by (pod) (x) / ignoring(a) fill_right(0) sum(y)`: false,
	} {
		expr, err := NewParser().ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := drops(expr, "pod"); got != want {
			t.Errorf("%s drops pod: %t, want %t", query, got, want)
		}
	}
}

func TestSelectorsOf(t *testing.T) {
	for query, want := range map[string]selectors{
		`x`:                               {instant: true},
		`rate(x[5m])`:                     {ranged: true, window: 5 * time.Minute},
		`rate(x[5m]) / y`:                 {instant: true, ranged: true, window: 5 * time.Minute},
		`max_over_time(rate(x[5m])[1h:])`: {ranged: true, window: time.Hour},
		`max_over_time(x[1h:])`:           {instant: true, ranged: true, window: time.Hour},
		`time()`:                          {},
	} {
		expr, err := NewParser().ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if diff := cmp.Diff(want, selectorsOf(expr), cmp.AllowUnexported(selectors{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// TestRulesAreSharedSafely means something under -race.
func TestRulesAreSharedSafely(t *testing.T) {
	r := one(t, "rules", `{seriesQuery: x, resources: {template: "<<.Resource>>"}, metricsQuery: 'sum by (<<.GroupBy>>) (x{a=~"<<.LabelValuesByName.pod>>",<<.LabelMatchers>>})'}`)
	in := QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "pods"}, Namespace: "s", Names: []string{"b", "a"}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			m := cluster()
			for range 50 {
				query, err := r.Query(m, in)
				if want := `sum by (pod) (x{a=~"a|b",namespace="s",pod=~"a|b"})`; err != nil || query.PromQL != want {
					t.Errorf("%q, %v", query.PromQL, err)
				}
				if _, ok := r.MetricName("x"); !ok {
					t.Error("no name")
				}
				if _, err := r.Objects(m, []string{"pod", "namespace"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff([]string{"b", "a"}, in.Names); diff != "" {
		t.Errorf("the input was changed (-want +got):\n%s", diff)
	}
}
