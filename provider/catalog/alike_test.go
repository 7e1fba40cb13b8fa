package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/rule"
)

// A rule whose query names the series itself answers alike for all of them: that several
// give its metric is what it is for, and no conflict.
func TestSeriesOfWhichTheQueryDoesNotDepend(t *testing.T) {
	set, err := rule.Compile([]byte(`
rules:
- seriesQuery: '{__name__=~"a|b"}'
  resources: {template: "<<.Resource>>"}
  name: {as: rate}
  metricsQuery: 'sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) or sum(b{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: '{__name__=~"c|d"}'
  resources: {template: "<<.Resource>>"}
  name: {as: other}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
`))
	if err != nil {
		t.Fatal(err)
	}
	alike, each := &finding{rule: set.Custom[0], series: series("a", "b")}, &finding{rule: set.Custom[1], series: series("c", "d")}
	alike.resolve(newCluster())
	each.resolve(newCluster())
	got := build(nil, []*finding{alike, each}, time.Time{}, 0)
	want := []string{
		"metric other for namespaces: rules[1] (series c) hides rules[1] (series d): give one of them another name.as",
		"metric other for nodes: rules[1] (series c) hides rules[1] (series d): give one of them another name.as",
		"metric other for pods: rules[1] (series c) hides rules[1] (series d): give one of them another name.as",
	}
	if diff := cmp.Diff(want, got.conflicts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
