package monitoring

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/hack/exported"
)

func TestCheck(t *testing.T) {
	c := exported.Catalog{"up_total": {"source"}, "seconds_bucket": {"le", "path"}, "leader": {}}
	for name, test := range map[string]struct {
		expr string
		want []string
	}{
		"all is there":          {`sum by (source, instance) (rate(up_total{source!="x"}[5m])) / on (instance) group_left leader > 1`, nil},
		"a histogram":           {`histogram_quantile(0.9, sum by (le, path) (rate(seconds_bucket[5m])))`, nil},
		"renamed by the scrape": {`sum by (exported_path) (seconds_bucket)`, nil},
		"no such metric":        {`absent(away)`, []string{`no program exports "away"`}},
		"below a call":          {`clamp_max(rate(away[5m]), 1)`, []string{`no program exports "away"`}},
		"in a subquery":         {`max_over_time(sum(away)[1h:])`, []string{`no program exports "away"`}},
		"no such label":         {`up_total{job="x"}`, []string{`up_total: no metric there has the label "job", of source, instance, exported_source`}},
		"grouped by another":    {`sum by (path) (leader)`, []string{`by: no metric there has the label "path", of instance`}},
		"gone by then":          {`sum by (source) (sum by (instance) (up_total))`, []string{`by: no metric there has the label "source", of instance`}},
		"matched by another":    {`up_total and on (source) leader`, []string{`on, right of and: no metric there has the label "source", of instance`}},
		"not PromQL":            {`sum(`, []string{`1:5: parse error: unclosed left parenthesis`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Check(c, test.expr)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatchers(t *testing.T) {
	got, err := Matchers(`sum(a{x=~"one|two"}) / b{y!="three"}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Matcher{{"a", "x", "one"}, {"a", "x", "two"}, {"b", "y", "three"}}, got); diff != "" {
		t.Error(diff)
	}
}
