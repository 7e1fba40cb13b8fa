package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
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

func pods(namespace, selector string) metric.Identifier {
	return metric.Identifier{API: metric.Custom, Metric: "rps", Namespace: namespace, Selector: selector, Resource: schema.GroupResource{Resource: "pods"}}
}

func TestMake(t *testing.T) {
	depth := metric.Identifier{API: metric.External, Metric: "depth", Namespace: "a"}
	code, err := labels.Parse("code=500")
	if err != nil {
		t.Fatal(err)
	}
	query := func(rule, promQL, label string, ids ...metric.Identifier) plan.Query {
		q := plan.Query{Rule: rule, For: ids}
		if asked := strings.Split(promQL, "|")[1]; asked != "" {
			q.Names = strings.Split(asked, ",")
		}
		q.PromQL, q.ObjectLabel = promQL, label
		return q
	}
	web, all, none, broken := pods("a", "app=web"), pods("a", ""), pods("a", "app=none"), pods("a", "broken")
	other := pods("b", "app=web")
	for name, tc := range map[string]struct {
		wants []plan.Want
		want  plan.Plan
	}{
		"nothing": {nil, plan.Plan{}},
		"equal queries are one, whatever asked": {
			[]plan.Want{
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
				{ID: all, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
			},
			plan.Plan{Queries: []plan.Query{query("rules[0]", "s{a|p1,p2|}", "pods", web, all)}},
		},
		"other names, namespaces, selectors and rules stay apart": {
			[]plan.Want{
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
				{ID: all, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1", "p2"}},
				{ID: other, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
				{ID: none, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}, MetricSelector: code},
				{ID: broken, Rule: renderer("rules[1]"), Series: "s", Names: []string{"p1"}},
			},
			plan.Plan{Queries: []plan.Query{
				query("rules[0]", "s{a|p1|}", "pods", web),
				query("rules[0]", "s{a|p1,p2|}", "pods", all),
				query("rules[0]", "s{b|p1|}", "pods", other),
				query("rules[0]", "s{a|p1|code=500}", "pods", none),
				query("rules[1]", "s{a|p1|}", "pods", broken),
			}},
		},
		"no live object asks nothing, least of all about every object": {
			[]plan.Want{{ID: none, Rule: renderer("rules[0]"), Series: "s"}},
			plan.Plan{Empty: []metric.Identifier{none}},
		},
		"external metrics have no names": {
			[]plan.Want{{ID: depth, Rule: renderer("externalRules[0]"), Series: "d"}},
			plan.Plan{Queries: []plan.Query{query("externalRules[0]", "d{a||}", "", depth)}},
		},
		"a rule that does not render fails alone": {
			[]plan.Want{
				{ID: broken, Rule: renderer("rules[1]"), Series: "broken", Names: []string{"p1"}},
				{ID: web, Rule: renderer("rules[0]"), Series: "s", Names: []string{"p1"}},
			},
			plan.Plan{
				Queries: []plan.Query{query("rules[0]", "s{a|p1|}", "pods", web)},
				Failed:  map[metric.Identifier]error{broken: metric.Errorf(metric.RuleFailed, "no query for rps: template")},
			},
		},
		"a selector that the rule cannot render is the reader's mistake": {
			[]plan.Want{{ID: broken, Rule: renderer("rules[1]"), Series: "compared", Names: []string{"p1"}}},
			plan.Plan{Failed: map[metric.Identifier]error{broken: metric.Errorf(metric.Invalid, "no query for rps: rules[1]: by >")}},
		},
		"a cluster that is not known yet is not the rule's fault": {
			[]plan.Want{{ID: broken, Rule: renderer("rules[1]"), Series: "undiscovered", Names: []string{"p1"}}},
			plan.Plan{Failed: map[metric.Identifier]error{broken: metric.Errorf(metric.ObjectsUnknown, "no query for rps: rules[1]: not yet")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan.Make(tc.wants, nil)
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
