package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// renderer writes down what it was asked.
type renderer string

func (r renderer) ID() string { return string(r) }

func (r renderer) Query(_ rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	switch in.Series {
	case "broken":
		return rule.Query{}, errors.New("template")
	case "compared":
		return rule.Query{}, fmt.Errorf("rules[1]: %w", metric.Errorf(metric.Invalid, "by >"))
	case "undiscovered":
		return rule.Query{}, fmt.Errorf("rules[1]: %w", metric.Errorf(metric.ObjectsUnknown, "not yet"))
	}
	selector := ""
	if in.Selector != nil {
		selector = in.Selector.String()
	}
	return rule.Query{
		PromQL:      fmt.Sprintf("%s{%s|%s|%s}", in.Series, in.Namespace, strings.Join(in.Names, ","), selector),
		ObjectLabel: in.Resource.Resource,
	}, nil
}

// outcome is a plan as far as people see it.
type outcome struct {
	Queries []asked
	Empty   []metric.Identifier
	Failed  map[metric.Identifier]error
}

type asked struct {
	Rule, PromQL string
	For          []metric.Identifier
}

func outcomeOf(p Plan) outcome {
	o := outcome{Empty: p.Empty, Failed: p.Failed}
	for _, q := range p.Queries {
		o.Queries = append(o.Queries, asked{q.Rule, q.PromQL, q.For})
	}
	return o
}

func pods(namespace, selector string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: "rps", Namespace: namespace, Selector: selector, Resource: schema.GroupResource{Resource: "pods"}}
}

func TestMake(t *testing.T) {
	depth := metric.Identifier{API: metric.External, Metric: "depth", Namespace: "a"}
	code, err := labels.Parse("code=500")
	if err != nil {
		t.Fatal(err)
	}
	query := func(rule, promQL, _ string, ids ...metric.Identifier) asked { return asked{rule, promQL, ids} }
	web, all, none, broken := pods("a", "app=web"), pods("a", ""), pods("a", "app=none"), pods("a", "broken")
	other := pods("b", "app=web")
	for name, tc := range map[string]struct {
		wants []Want
		want  outcome
	}{
		"nothing": {nil, outcome{}},
		"equal queries are one, whatever asked": {
			[]Want{
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
				{ID: all, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
			},
			outcome{Queries: []asked{query("rules[0]", "s{a|p1,p2|}", "pods", web, all)}},
		},
		"other names, namespaces, selectors and rules stay apart": {
			[]Want{
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
				{ID: all, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
				{ID: other, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
				{ID: none, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}, MetricSelector: code},
				{ID: broken, Rule: renderer("rules[1]"), Series: "s", Names: []string{"p1"}},
			},
			outcome{Queries: []asked{
				query("rules[0]", "s{a|p1|}", "pods", web),
				query("rules[0]", "s{a|p1,p2|}", "pods", all),
				query("rules[0]", "s{b|p1|}", "pods", other),
				query("rules[0]", "s{a|p1|code=500}", "pods", none),
				query("rules[1]", "s{a|p1|}", "pods", broken),
			}},
		},
		"no live object asks nothing, least of all about every object": {
			[]Want{{ID: none, Rule: renderer("rules[0]"), Series: "s"}},
			outcome{Empty: []metric.Identifier{none}},
		},
		"external metrics have no names": {
			[]Want{{ID: depth, Rule: renderer("externalRules[0]"), Series: "d"}},
			outcome{Queries: []asked{query("externalRules[0]", "d{a||}", "", depth)}},
		},
		"a rule that does not render fails alone": {
			[]Want{
				{ID: broken, Rule: renderer("rules[1]"), Series: "broken", Names: []string{"p1"}},
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
			},
			outcome{
				Queries: []asked{query("rules[0]", "s{a|p1|}", "pods", web)},
				Failed:  map[metric.Identifier]error{broken: metric.Errorf(metric.RuleFailed, "no query for rps: template")},
			},
		},
		"a selector that the rule cannot render is the reader's mistake": {
			[]Want{{ID: broken, Rule: renderer("rules[1]"), Series: "compared", Names: []string{"p1"}}},
			outcome{Failed: map[metric.Identifier]error{broken: metric.Errorf(metric.Invalid, "no query for rps: rules[1]: by >")}},
		},
		"a cluster that is not known yet is not the rule's fault": {
			[]Want{{ID: broken, Rule: renderer("rules[1]"), Series: "undiscovered", Names: []string{"p1"}}},
			outcome{Failed: map[metric.Identifier]error{broken: metric.Errorf(metric.ObjectsUnknown, "no query for rps: rules[1]: not yet")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := outcomeOf(Make(tc.wants, nil, DefaultLimits()))
			if tc.want.Failed == nil {
				tc.want.Failed = map[metric.Identifier]error{}
			}
			sameMeaning := cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() && metric.ReasonOf(a) == metric.ReasonOf(b) })
			if diff := cmp.Diff(tc.want, got, sameMeaning); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The halves of a query that names no objects name them, where they are few enough.
func TestSplit(t *testing.T) {
	rate := template{text: `sum by (pod) (rate(a{<M>}[1m]))`}
	var wants []Want
	for _, ns := range []string{"u", "v", "w", "x", "y"} {
		wants = append(wants, Want{ID: metric.Identifier{Namespace: ns, Metric: "a"}, Rule: rate, Names: []string{ns + "1", ns + "2"}})
	}
	limits := Limits{Names: 4, Values: 100, Reads: 100, Count: func(schema.GroupResource, string) (int, bool) { return 2, true }}
	var got []string
	for _, q := range Make(wants, nil, limits).Queries {
		first, second := q.Split()
		got = append(got, q.PromQL, first.PromQL, second.PromQL)
	}
	want := []string{
		`sum by (pod, namespace) (rate(a[1m]))`,
		`sum by (pod, namespace) (rate(a{namespace=~"u|v",pod=~"u1|u2|v1|v2"}[1m]))`,
		`sum by (pod, namespace) (rate(a[1m]))`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Which reads share a query, and how it is written.
func TestShares(t *testing.T) {
	rate := template{text: `sum by (pod) (rate(a{<M>}[1m]))`}
	depth := template{text: `sum(depth{<M>})`, external: true}
	// read is of namespace/names, or of an external metric with a value of code.
	read := func(r template, namespace, value string) Want {
		w := Want{ID: metric.Identifier{Namespace: namespace, Metric: value}, Rule: r}
		if r.external {
			w.ID.API, w.Series = metric.External, value
		} else {
			w.Names = strings.Split(value, ",")
		}
		return w
	}
	class := func(w Want, class int) Want { w.Class = class; return w }
	share := func(w Want, n int) Want { w.Share = n; return w }
	live := func(n, all int) func(schema.GroupResource, string) (int, bool) {
		return func(_ schema.GroupResource, ns string) (int, bool) {
			if ns == "" {
				return all, true
			}
			return n, true
		}
	}
	for name, tc := range map[string]struct {
		wants  []Want
		limits Limits
		want   []string
	}{
		"namespaces": {
			[]Want{read(rate, "x", "p"), read(rate, "y", "p,q")}, DefaultLimits(),
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"x|y",pod=~"p|q"}[1m]))`},
		},
		"objects of one namespace": {
			[]Want{read(rate, "x", "p"), read(rate, "x", "q,r")}, DefaultLimits(),
			[]string{`sum by (pod, namespace) (rate(a{namespace="x",pod=~"p|q|r"}[1m]))`},
		},
		"one alone is as it was": {
			[]Want{read(rate, "x", "p")}, DefaultLimits(),
			[]string{`sum by (pod) (rate(a{namespace="x",pod="p"}[1m]))`},
		},
		"values of a selector": {
			[]Want{read(depth, "x", "1"), read(depth, "x", "2"), read(depth, "y", "1")}, DefaultLimits(),
			[]string{`sum by (code, namespace) (depth{code=~"1|2",namespace=~"x|y"})`},
		},
		"without a selector, which is another question": {
			[]Want{read(depth, "x", "1"), read(depth, "x", ""), read(depth, "y", "")}, DefaultLimits(),
			[]string{`sum(depth{code="1",namespace="x"})`, `sum by (namespace) (depth{namespace=~"x|y"})`},
		},
		"what HPAs want and what is only read": {
			[]Want{class(read(rate, "x", "p"), 1), read(rate, "y", "p"), class(read(rate, "z", "p"), 1)}, DefaultLimits(),
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"x|z",pod="p"}[1m]))`, `sum by (pod) (rate(a{namespace="y",pod="p"}[1m]))`},
		},
		"what is at fault": {
			[]Want{share(read(rate, "x", "p"), 1), read(rate, "y", "p"), share(read(rate, "v", "p"), 1), read(rate, "z", "p")}, DefaultLimits(),
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"y|z",pod="p"}[1m]))`, `sum by (pod) (rate(a{namespace="v",pod="p"}[1m]))`, `sum by (pod) (rate(a{namespace="x",pod="p"}[1m]))`},
		},
		"few names in a query": {
			[]Want{read(rate, "x", "p,q"), read(rate, "x", "r,s"), read(rate, "y", "p")}, Limits{Names: 4, Values: 100, Reads: 100},
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"x|y",pod=~"p|q|r|s"}[1m]))`},
		},
		"fewer": {
			[]Want{read(rate, "x", "p,q"), read(rate, "x", "r,s"), read(rate, "y", "p")}, Limits{Names: 3, Values: 100, Reads: 100},
			[]string{`sum by (pod) (rate(a{namespace="x",pod=~"p|q"}[1m]))`, `sum by (pod, namespace) (rate(a{namespace=~"x|y",pod=~"p|r|s"}[1m]))`},
		},
		"most of what there is": {
			[]Want{read(rate, "x", "p,q"), read(rate, "x", "r,s"), read(rate, "y", "p")}, Limits{Names: 3, Values: 100, Reads: 100, Count: live(4, 1000)},
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"x|y"}[1m]))`},
		},
		"few of what there is": {
			[]Want{read(rate, "x", "p,q"), read(rate, "y", "r,s")}, Limits{Names: 3, Values: 100, Reads: 100, Count: live(1000, 2000)},
			[]string{`sum by (pod) (rate(a{namespace="x",pod=~"p|q"}[1m]))`, `sum by (pod) (rate(a{namespace="y",pod=~"r|s"}[1m]))`},
		},
		"those that failed with others are asked by name": {
			[]Want{share(read(rate, "x", "p,q"), 3), read(rate, "x", "r,s"), read(rate, "y", "p"), share(read(rate, "z", "t"), 3)}, Limits{Names: 3, Values: 100, Reads: 100, Count: live(4, 1000)},
			[]string{`sum by (pod, namespace) (rate(a{namespace=~"x|y"}[1m]))`, `sum by (pod, namespace) (rate(a{namespace=~"x|z",pod=~"p|q|t"}[1m]))`},
		},
		"most namespaces": {
			[]Want{read(rate, "x", "p,q"), read(rate, "y", "r,s")}, Limits{Names: 1, Values: 100, Reads: 100, Count: live(2, 5)},
			[]string{`sum by (pod, namespace) (rate(a[1m]))`},
		},
		"large answers": {
			[]Want{read(rate, "x", "p,q"), read(rate, "y", "r,s"), read(rate, "z", "t")}, Limits{Names: 100, Values: 3, Reads: 100},
			[]string{`sum by (pod) (rate(a{namespace="x",pod=~"p|q"}[1m]))`, `sum by (pod, namespace) (rate(a{namespace=~"y|z",pod=~"r|s|t"}[1m]))`},
		},
		"many reads": {
			[]Want{read(depth, "x", ""), read(depth, "y", ""), read(depth, "z", "")}, Limits{Names: 100, Values: 100, Reads: 2},
			[]string{`sum by (namespace) (depth{namespace=~"x|y"})`, `sum(depth{namespace="z"})`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, q := range Make(tc.wants, nil, tc.limits).Queries {
				got = append(got, q.PromQL)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
