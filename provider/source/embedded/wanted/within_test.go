package wanted_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

const tenants = `
rules:
- seriesQuery: '{__name__=~".+_total",pod!=""}'
  resources: &objects {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, node: {resource: node}}}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
- seriesQuery: share{pod!=""}
  resources: *objects
  metricsQuery: sum(share{<<.LabelMatchers>>}) by (<<.GroupBy>>) / on() group_left() sum(whole)
- seriesQuery: vague{pod!=""}
  resources: *objects
  metricsQuery: sum({<<.LabelMatchers>>}) by (<<.GroupBy>>)
externalRules:
- seriesQuery: depth{namespace!=""}
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (queue)
- seriesQuery: lag{namespace!=""}
  resources: {namespaced: false}
  metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (queue)
resourceRules:
  memory:
    containerLabel: container
    containerQuery: sum(pod_memory{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    nodeQuery: sum(node_memory{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    resources: *objects
`

// compiled are the rules of a file.
func compiled(t testing.TB, file string) *rule.Set {
	t.Helper()
	rules, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// of is a metric about objects of a namespace.
func of(resource, namespace, name string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: name, Namespace: namespace, Resource: schema.GroupResource{Resource: resource}}
}

// external is one of a namespace.
func external(namespace, name string) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: name, Namespace: namespace}
}

func memory(resource, namespace string) metric.Identifier {
	id := of(resource, namespace, metric.Memory)
	id.API = metric.Resource
	return id
}

func called(name string, id metric.Identifier) metric.Identifier {
	id.Name = name
	return id
}

// kept is what of a set of names is kept of the pods of a and b, and of exporters.
type kept struct{ A, B, Exporters string }

func keptOf(f wanted.Filter, names ...string) kept {
	all := func(keep func(string) bool) string {
		var out []string
		for _, n := range names {
			if keep(n) {
				out = append(out, n)
			}
		}
		return strings.Join(out, " ")
	}
	return kept{all(f.Within("a")), all(f.Within("b")), all(f.Keep)}
}

func TestWithin(t *testing.T) {
	rules := compiled(t, tenants)
	names := []string{"x_total", "y_total", "share", "whole", "vague", "depth", "lag", "pod_memory", "node_memory"}
	all := strings.Join(names, " ")
	for name, tc := range map[string]struct {
		ids     []metric.Identifier
		queries []string
		want    kept
	}{
		"nothing":                     {},
		"by one":                      {[]metric.Identifier{of("pods", "a", "x_per_second")}, nil, kept{"x_total", "", "x_total"}},
		"by both":                     {[]metric.Identifier{of("pods", "a", "x_per_second"), of("pods", "b", "x_per_second"), of("pods", "b", "y_per_second")}, nil, kept{"x_total", "x_total y_total", "x_total y_total"}},
		"of one pod":                  {[]metric.Identifier{called("p", of("pods", "a", "x_per_second"))}, nil, kept{"x_total", "", "x_total"}},
		"of a third namespace":        {[]metric.Identifier{of("pods", "c", "x_per_second")}, nil, kept{"", "", "x_total"}},
		"of nodes":                    {[]metric.Identifier{of("nodes", "", "x_per_second")}, nil, kept{"x_total", "x_total", "x_total"}},
		"of a Namespace":              {[]metric.Identifier{called("a", of("namespaces", "", "x_per_second"))}, nil, kept{"x_total", "", "x_total"}},
		"of Namespaces":               {[]metric.Identifier{of("namespaces", "", "x_per_second")}, nil, kept{"x_total", "x_total", "x_total"}},
		"a part of the whole":         {[]metric.Identifier{of("pods", "a", "share")}, nil, kept{"share whole", "whole", "share whole"}},
		"whatever a has":              {[]metric.Identifier{of("pods", "a", "vague")}, nil, kept{all, "vague", all}},
		"an external metric":          {[]metric.Identifier{external("a", "depth")}, nil, kept{"depth", "", "depth"}},
		"… of everybody":              {[]metric.Identifier{external("a", "lag")}, nil, kept{"lag", "lag", "lag"}},
		"the memory of pods":          {[]metric.Identifier{memory("pods", "a")}, nil, kept{"pod_memory", "", "pod_memory"}},
		"… of all":                    {[]metric.Identifier{memory("pods", "")}, nil, kept{"pod_memory", "pod_memory", "pod_memory"}},
		"… and of nodes":              {[]metric.Identifier{memory("pods", "a"), memory("nodes", "")}, nil, kept{"pod_memory node_memory", "node_memory", "pod_memory node_memory"}},
		"a query of one namespace":    {nil, []string{`max(lag{namespace="b"})`}, kept{"", "lag", "lag"}},
		"a query of none":             {nil, []string{`max(lag)`}, kept{"lag", "lag", "lag"}},
		"a query of which it is open": {nil, []string{`max(lag{namespace="b"}) / max({job="x"})`}, kept{all, all, all}},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(wanted.Maker).Of(rules, tc.ids, tc.queries)
			if diff := cmp.Diff(tc.want, keptOf(f, names...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameWithin(t *testing.T) {
	rules := compiled(t, tenants)
	one := new(wanted.Maker).Of(rules, []metric.Identifier{of("pods", "a", "x_per_second"), of("pods", "b", "x_per_second"), of("pods", "b", "y_per_second")}, nil)
	again := new(wanted.Maker).Of(rules, []metric.Identifier{of("pods", "b", "y_per_second"), of("pods", "b", "x_per_second"), of("pods", "a", "x_per_second")}, nil)
	swapped := new(wanted.Maker).Of(rules, []metric.Identifier{of("pods", "b", "x_per_second"), of("pods", "a", "x_per_second"), of("pods", "a", "y_per_second")}, nil)
	nodes := new(wanted.Maker).Of(rules, []metric.Identifier{of("nodes", "", "x_per_second"), of("nodes", "", "y_per_second")}, nil)
	for name, tc := range map[string]struct {
		other wanted.Filter
		same  bool
	}{
		"in another order": {again, true},
		"the other way":    {swapped, false},
		"for everybody":    {nodes, false},
		"all":              {wanted.Everything(), false},
		"none":             {wanted.Filter{}, false},
	} {
		if same := one.Same(tc.other); same != tc.same {
			t.Errorf("%s: the same: %t", name, same)
		}
	}
}

// A filter that is made after another one is that which a new Maker makes.
func TestMakerForgets(t *testing.T) {
	other := compiled(t, strings.ReplaceAll(tenants, "_total", "_count"))
	rules := compiled(t, tenants)
	var m wanted.Maker
	for i, step := range []struct {
		rules   *rule.Set
		ids     []metric.Identifier
		queries []string
	}{
		{rules, []metric.Identifier{of("pods", "a", "x_per_second")}, []string{`lag{namespace="a"}`}},
		{rules, []metric.Identifier{of("pods", "b", "x_per_second"), of("pods", "b", "y_per_second")}, []string{`lag{namespace="b"}`}},
		{other, []metric.Identifier{of("pods", "b", "x_per_second"), of("pods", "b", "y_per_second")}, []string{`lag{namespace="b"}`}},
		{rules, []metric.Identifier{of("nodes", "", "y_per_second"), memory("nodes", ""), memory("pods", "a")}, nil},
		{rules, nil, []string{`lag`}},
	} {
		want, got := new(wanted.Maker).Of(step.rules, step.ids, step.queries), m.Of(step.rules, step.ids, step.queries)
		names := []string{"x_total", "y_total", "x_count", "y_count", "lag", "pod_memory", "node_memory"}
		if diff := cmp.Diff(keptOf(want, names...), keptOf(got, names...)); diff != "" || !want.Same(got) {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}

// Whoever wants too much keeps all of his own pods' series, and costs nobody else anything.
func TestBoundsAreOfTheNamespace(t *testing.T) {
	rules := compiled(t, tenants)
	long := strings.Repeat("n", 4000)
	many := func(namespace string, n int) (ids []metric.Identifier) {
		for i := range n {
			ids = append(ids, of("pods", namespace, fmt.Sprintf("%s_%s_%d_per_second", namespace, long, i)))
		}
		return ids
	}
	ids := append(many("b", 80), of("pods", "a", "x_per_second"))
	if diff := cmp.Diff(kept{"x_total", "x_total other", "x_total other"}, keptOf(new(wanted.Maker).Of(rules, ids, nil), "x_total", "other")); diff != "" {
		t.Errorf("one wants too much (-want +got):\n%s", diff)
	}
	for i := range 18 { // each of which has less than that
		ids = append(ids[:len(ids):len(ids)], many(fmt.Sprintf("c%d", i), 60)...)
	}
	f := new(wanted.Maker).Of(rules, ids, nil)
	if diff := cmp.Diff(kept{"x_total", "x_total other", "x_total other"}, keptOf(f, "x_total", "other")); diff != "" {
		t.Errorf("many want much (-want +got):\n%s", diff)
	}
	everything := 0
	for i := range 18 {
		keep := f.Within(fmt.Sprintf("c%d", i))
		if keep("other") {
			everything++
		} else if name := fmt.Sprintf("c%d_%s_5_total", i, long); !keep(name) {
			t.Errorf("%s is not kept", name)
		}
	}
	if everything == 0 || everything > 9 {
		t.Errorf("%d of 18 namespaces keep everything", everything)
	}
}

// BenchmarkNamespaces is a filter for thousands of namespaces, made as it is when one HPA
// comes, and compared as it is when a pod does.
func BenchmarkNamespaces(b *testing.B) {
	rules := compiled(b, tenants)
	for name, metricOf := range map[string]func(namespace, i int) string{
		"alike":     func(_, i int) string { return fmt.Sprintf("m%d_per_second", i) },
		"different": func(namespace, i int) string { return fmt.Sprintf("m%d_of_%d_per_second", i, namespace%1000) },
	} {
		var ids []metric.Identifier
		for i := range 10_000 {
			for j := range 5 {
				ids = append(ids, of("pods", fmt.Sprintf("namespace-%d", i), metricOf(i, j)))
			}
		}
		b.Run(name+"/made", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				new(wanted.Maker).Of(rules, ids, nil)
			}
		})
		b.Run(name+"/made again", func(b *testing.B) {
			var m wanted.Maker
			m.Of(rules, ids, nil)
			for b.Loop() {
				m.Of(rules, ids, nil)
			}
		})
		one, other := new(wanted.Maker).Of(rules, ids, nil), new(wanted.Maker).Of(rules, ids, nil)
		b.Run(name+"/compared", func(b *testing.B) {
			for b.Loop() {
				if !one.Same(other) {
					b.Fatal("they differ")
				}
			}
		})
	}
}
