package wanted_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

const file = `
sources: [{name: other, url: "http://other:9090"}]
rules:
- seriesQuery: '{__name__=~".+_total",pod!=""}'
  resources: &pods {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
- seriesQuery: busy{pod!=""}
  resources: *pods
  metricsQuery: sum(busy{<<.LabelMatchers>>} / capacity{<<.LabelMatchers>>}) by (<<.GroupBy>>)
- seriesQuery: vague{pod!=""}
  resources: *pods
  metricsQuery: sum({<<.LabelMatchers>>}) by (<<.GroupBy>>)
- seriesQuery: foreign{pod!=""}
  source: other
  resources: *pods
  metricsQuery: sum({<<.LabelMatchers>>}) by (<<.GroupBy>>)
externalRules:
- seriesQuery: depth{namespace!=""}
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (queue)
resourceRules:
  memory:
    nodeQuery: sum(node_memory{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    resources: {overrides: {node: {resource: node}}}
`

func custom(name string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: name, Namespace: "a", Resource: schema.GroupResource{Resource: "pods"}}
}

func TestOf(t *testing.T) {
	rules, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"requests_total", "errors_total", "busy", "capacity", "depth", "node_memory", "vague", "foreign", "up", ""}
	for name, tc := range map[string]struct {
		ids     []metric.Identifier
		queries []string
		want    []string
		all     bool
	}{
		"nothing is wanted":            {},
		"a rate":                       {ids: []metric.Identifier{custom("requests_per_second")}, want: []string{"requests_total"}},
		"what the query names besides": {ids: []metric.Identifier{custom("busy")}, want: []string{"busy", "capacity"}},
		"what no rule gives":           {ids: []metric.Identifier{custom("unheard_of")}},
		"what another source gives":    {ids: []metric.Identifier{custom("foreign")}},
		"an external metric":           {ids: []metric.Identifier{{API: metric.External, Metric: "depth", Namespace: "a"}}, want: []string{"depth"}},
		"… is no custom one":           {ids: []metric.Identifier{custom("depth")}},
		"the memory of nodes":          {ids: []metric.Identifier{{API: metric.Resource, Metric: metric.Memory, Resource: schema.GroupResource{Resource: "nodes"}}}, want: []string{"node_memory"}},
		"the memory of pods":           {ids: []metric.Identifier{{API: metric.Resource, Metric: metric.Memory, Resource: schema.GroupResource{Resource: "pods"}}}},
		"a policy's query":             {queries: []string{`max(depth) - sum(rate(errors_total[1m]))`}, want: []string{"errors_total", "depth"}},
		"several":                      {ids: []metric.Identifier{custom("requests_per_second"), custom("busy")}, queries: []string{"up"}, want: []string{"requests_total", "busy", "capacity", "up"}},
		"a rule too general to tell":   {ids: []metric.Identifier{custom("requests_per_second"), custom("vague")}, want: names, all: true},
		"a query too general to tell":  {queries: []string{`sum({job="a"})`}, want: names, all: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(wanted.Maker).Of(rules, tc.ids, tc.queries)
			var got []string
			for _, n := range names {
				if f.Keep(n) {
					got = append(got, n)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || f.All() != tc.all {
				t.Errorf("all: %t, kept of %q (-want +got):\n%s", f.All(), f.String(), diff)
			}
		})
	}
}

func TestSame(t *testing.T) {
	rules, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	a := new(wanted.Maker).Of(rules, []metric.Identifier{custom("busy"), custom("requests_per_second")}, nil)
	b := new(wanted.Maker).Of(rules, []metric.Identifier{custom("requests_per_second"), custom("busy"), custom("busy"), custom("nothing")}, nil)
	if !a.Same(b) {
		t.Errorf("the order of what is wanted makes two filters: %q, %q", a.String(), b.String())
	}
	if a.Same(wanted.Filter{}) || a.Same(wanted.Everything()) || (wanted.Filter{}).Same(wanted.Everything()) {
		t.Error("different filters are the same")
	}
}
