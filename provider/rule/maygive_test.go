package rule

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A name that no series can get of the rule is told apart from one that some series may.
func TestMayGive(t *testing.T) {
	for name, tc := range map[string]struct {
		seriesQuery, name, metric string
		want                      bool
	}{
		"the one series":                       {`a_total{pod!=""}`, `{as: a}`, "a", true},
		"another metric":                       {`a_total{pod!=""}`, `{as: a}`, "b", false},
		"a name as it is":                      {`{__name__=~"^app_.*"}`, `{}`, "app_x", true},
		"a name that the selector excludes":    {`{__name__=~"^app_.*"}`, `{}`, "other_x", false},
		"a name with a dot":                    {`{pod!=""}`, `{}`, "queue.depth", true},
		"a suffix":                             {`{__name__=~"^app_.*"}`, `{matches: "^(.*)_total$", as: "${1}_per_second"}`, "app_x_per_second", true},
		"a suffix of an excluded series":       {`{__name__=~"^app_.*"}`, `{matches: "^(.*)_total$", as: "${1}_per_second"}`, "x_per_second", false},
		"no such suffix":                       {`{__name__=~"^app_.*"}`, `{matches: "^(.*)_total$", as: "${1}_per_second"}`, "app_x", false},
		"a constant":                           {`{__name__=~"a|b"}`, `{as: c}`, "c", true},
		"not that constant":                    {`{__name__=~"a|b"}`, `{as: c}`, "a", false},
		"two groups, of which little is known": {`{pod!=""}`, `{matches: "^(.+)_x_(.+)$", as: "${1}_${2}"}`, "a_b", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := namesRule(t, tc.seriesQuery, tc.name, sumQuery).MayGive(tc.metric); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
	filtered, err := Compile([]byte("externalRules: [{seriesQuery: '{a!=\"\"}', seriesFilters: [{isNot: _total$}], resources: {namespaced: false}, metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}]"))
	if err != nil {
		t.Fatal(err)
	}
	if r := filtered.External[0]; r.MayGive("a_total") || !r.MayGive("a") {
		t.Error("its filters were not asked")
	}
}

// What the file says, for people.
func TestDescribe(t *testing.T) {
	set, err := Compile([]byte(`
rules:
- seriesQuery: 'a_total{pod!=""}'
  resources: {template: kube_<<.Resource>>, overrides: {ns: {resource: Namespace}, d: {group: apps, resource: deployment}}}
  name: {matches: ^(.*)_total$}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
externalRules:
- seriesQuery: '{b!=""}'
  resources: {namespaced: false}
  metricsQuery: x{b="<<.LabelValuesByName.b>>"}
resourceRules:
  cpu: {nodeQuery: 'sum(c{<<.LabelMatchers>>}) by (<<.GroupBy>>)', resources: {overrides: {node: {resource: node}}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	usage, _ := set.Usage.Rule("cpu", schema.GroupResource{Resource: "nodes"})
	want := []Description{
		{
			Series: "a_total", Metric: "a", Matches: "^(.*)_total$", As: "$1", Template: "kube_<<.Resource>>", Query: "sum({{.Series}}{{{.LabelMatchers}}}) by ({{.GroupBy}})",
			Labels: []Object{{schema.GroupResource{Resource: "namespace"}, "ns"}, {schema.GroupResource{Group: "apps", Resource: "deployment"}, "d"}},
		},
		{Matches: ".*", As: "$0", Query: `x{b="{{.LabelValuesByName.b}}"}`, Values: true},
		{Query: "sum(c{{{.LabelMatchers}}}) by ({{.GroupBy}})", Labels: []Object{{schema.GroupResource{Resource: "node"}, "node"}}},
	}
	got := []Description{set.Custom[0].Describe(), set.External[0].Describe(), usage.Describe()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
