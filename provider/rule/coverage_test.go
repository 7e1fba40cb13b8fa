package rule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCoverageOf(t *testing.T) {
	for name, tc := range map[string]struct {
		query, want string
		selectors   int
		problem     string
	}{
		"a rate": {
			query: `sum(rate(x{pod=~"a|b"}[1m])) by (pod)`, selectors: 1,
			want: `label_replace((sum(clamp_max(count_over_time({__name__="x",pod=~"a|b"}[1m]) / count_over_time({__name__="x",pod=~"a|b"}[1m] offset 1m15s), 1)) or vector(0)) / count(count_over_time({__name__="x",pod=~"a|b"}[1m] offset 1m15s)), "selector", "0", "", "")`,
		},
		"an instant selector": {
			query: `max(x)`, selectors: 1,
			want: `label_replace((count({__name__="x"} and {__name__="x"} offset 1m15s) or vector(0)) / count({__name__="x"} offset 1m15s), "selector", "0", "", "")`,
		},
		"two": {
			query: `sum(rate(x[1m])) / sum(y)`, selectors: 2,
			want: `label_replace((sum(clamp_max(count_over_time({__name__="x"}[1m]) / count_over_time({__name__="x"}[1m] offset 1m15s), 1)) or vector(0)) / count(count_over_time({__name__="x"}[1m] offset 1m15s)), "selector", "0", "", "")` +
				` or label_replace((count({__name__="y"} and {__name__="y"} offset 1m15s) or vector(0)) / count({__name__="y"} offset 1m15s), "selector", "1", "", "")`,
		},
		"one, twice": {
			query: `sum(x) + max(x)`, selectors: 1,
			want: `label_replace((count({__name__="x"} and {__name__="x"} offset 1m15s) or vector(0)) / count({__name__="x"} offset 1m15s), "selector", "0", "", "")`,
		},
		"an offset": {
			query: `x offset 5m`, selectors: 1,
			want: `label_replace((count({__name__="x"} offset 5m and {__name__="x"} offset 6m15s) or vector(0)) / count({__name__="x"} offset 6m15s), "selector", "0", "", "")`,
		},
		"a subquery looks back further": {
			query: `max_over_time(rate(x[1m])[5m:1m] offset 10m)`, selectors: 1,
			want: `label_replace((sum(clamp_max(count_over_time({__name__="x"}[6m] offset 10m) / count_over_time({__name__="x"}[6m] offset 11m15s), 1)) or vector(0)) / count(count_over_time({__name__="x"}[6m] offset 11m15s)), "selector", "0", "", "")`,
		},
		"a subquery of an instant selector": {
			query: `max_over_time(x[5m:1m])`, selectors: 1,
			want: `label_replace((sum(clamp_max(count_over_time({__name__="x"}[5m]) / count_over_time({__name__="x"}[5m] offset 1m15s), 1)) or vector(0)) / count(count_over_time({__name__="x"}[5m] offset 1m15s)), "selector", "0", "", "")`,
		},
		"modifiers of a rate": {
			query: `rate({"http.requests"}[1m] anchored)`, selectors: 1,
			want: `label_replace((sum(clamp_max(count_over_time({__name__="http.requests"}[1m]) / count_over_time({__name__="http.requests"}[1m] offset 1m15s), 1)) or vector(0)) / count(count_over_time({__name__="http.requests"}[1m] offset 1m15s)), "selector", "0", "", "")`,
		},
		"no selector":         {query: `vector(1)`, problem: "has no selector"},
		"a fixed time":        {query: `sum(x) + sum(y @ 5)`, problem: "has a selector at a fixed time (@)"},
		"a fixed subquery":    {query: `max_over_time(x[5m:1m] @ end())`, problem: "has a selector at a fixed time (@)"},
		"a computed window":   {query: `rate(x[5m*2])`, problem: "has a duration that the source computes"},
		"a computed offset":   {query: `x offset (5m*2)`, problem: "has a duration that the source computes"},
		"a computed subquery": {query: `max_over_time(x[5m*2:1m])`, problem: "has a duration that the source computes"},
		"another language":    {query: `topk_avg(`, problem: "is no PromQL that we know: 1:10: parse error: unclosed left parenthesis"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := CoverageOf(tc.query, 75*time.Second+time.Microsecond)
			problem := ""
			if err != nil {
				problem = err.Error()
			}
			if diff := cmp.Diff(tc.problem, problem); diff != "" {
				t.Error(diff)
			}
			want := Coverage{PromQL: tc.want, Selectors: tc.selectors, Label: "selector"}
			if tc.problem != "" {
				want = Coverage{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzCoverageOf: whatever the query, what is made of it is a query, too.
func FuzzCoverageOf(f *testing.F) {
	for _, query := range []string{
		`sum(rate(x{a="b"}[1m] offset 5m)) by (pod)`, `max_over_time(rate({"a.b"}[1m])[5m:1m] offset -10m)`,
		`x @ 5`, `x[5m*2]`, `histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))`, `{__name__=~"a|b",c!=""}`, `vector(1)`, `(`,
	} {
		f.Add(query, int64(75_000))
	}
	parser := NewParser()
	f.Fuzz(func(t *testing.T, query string, ago int64) {
		c, err := CoverageOf(query, time.Duration(ago)*time.Millisecond)
		if err != nil {
			return
		}
		if _, err := parser.ParseExpr(c.PromQL); err != nil {
			t.Errorf("%s\nof %s\n%v", c.PromQL, query, err)
		}
	})
}

// By labels it is asked for each group, with elements for those of which nothing is left.
func TestCoverageOfGroups(t *testing.T) {
	got, err := CoverageOf(`sum by (selector) (rate(a{x="1"}[5m])) / b`, time.Minute, "selector", "http.method")
	if err != nil {
		t.Fatal(err)
	}
	want := Coverage{
		PromQL: `label_replace((sum by (selector, "http.method") (clamp_max(count_over_time({__name__="a",x="1"}[5m]) / count_over_time({__name__="a",x="1"}[5m] offset 1m), 1)) or 0 * count by (selector, "http.method") (count_over_time({__name__="a",x="1"}[5m] offset 1m))) / count by (selector, "http.method") (count_over_time({__name__="a",x="1"}[5m] offset 1m)), "selector_", "0", "", "") or ` +
			`label_replace((count by (selector, "http.method") ({__name__="b"} and {__name__="b"} offset 1m) or 0 * count by (selector, "http.method") ({__name__="b"} offset 1m)) / count by (selector, "http.method") ({__name__="b"} offset 1m), "selector_", "1", "", "")`,
		Selectors: 2, Label: "selector_",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := NewParser().ParseExpr(got.PromQL); err != nil {
		t.Error(err)
	}
}
