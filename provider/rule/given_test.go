package rule

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What tells a read's query from that of another read.
func TestGiven(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		section, rule, selector string
		in                      QueryInput
		want                    []Given
	}{
		"pods": {
			rule: fmt.Sprintf(podRule, "'<<.Series>>{<<.LabelMatchers>>}'"), in: QueryInput{Series: "x", Resource: pods, Namespace: "shop", Names: []string{"b", "a", "b"}},
			want: []Given{{Label: "namespace", Values: []string{"shop"}}, {Label: "pod", Values: []string{"a", "b"}, Objects: true}},
		},
		"every pod is no value": {
			rule: fmt.Sprintf(podRule, "'<<.Series>>{<<.LabelMatchers>>}'"), in: QueryInput{Series: "x", Resource: pods, Namespace: "shop"},
			want: []Given{{Label: "namespace", Values: []string{"shop"}}},
		},
		"a selector's equalities, nothing else of it": {
			rule: fmt.Sprintf(podRule, "'<<.Series>>{<<.LabelMatchers>>}'"), in: QueryInput{Series: "x", Resource: pods, Namespace: "shop", Names: []string{"a"}},
			selector: "a=1,b!=2,c in (3,4),d notin (5),e,!f,g=",
			want:     []Given{{Label: "a", Values: []string{"1"}}, {Label: "namespace", Values: []string{"shop"}}, {Label: "pod", Values: []string{"a"}, Objects: true}},
		},
		"a namespace as the object": {
			rule: fmt.Sprintf(podRule, "'<<.Series>>{<<.LabelMatchers>>}'"), in: QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "namespaces"}, Names: []string{"shop"}},
			want: []Given{{Label: "namespace", Values: []string{"shop"}, Objects: true}},
		},
		"external": {
			section: "externalRules", rule: fmt.Sprintf(extRule, nsOnly, "'sum(x{<<.LabelMatchers>>})'"), in: QueryInput{Series: "x", Namespace: "shop"}, selector: "q=1",
			want: []Given{{Label: "q", Values: []string{"1"}}, {Label: "ns", Values: []string{"shop"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.section == "" {
				tc.section = "rules"
			}
			if tc.selector != "" {
				tc.in.Selector = selector(t, tc.selector)
			}
			q, err := one(t, tc.section, tc.rule).Query(cluster(), tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, q.Given); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Each is in the query as it says.
			expr, err := NewParser().ParseExpr(q.PromQL)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(expr.String(), q.Expr.String()); diff != "" {
				t.Errorf("Expr is another query (-want +got):\n%s", diff)
			}
			for _, g := range q.Given {
				found := false
				for _, matchers := range parser.ExtractSelectors(expr) {
					for _, m := range matchers {
						found = found || g.Is(m) && g.Is(g.Matcher())
					}
				}
				if !found {
					t.Errorf("%+v is not in %s", g, q.PromQL)
				}
			}
		})
	}
	other := promlabels.MustNewMatcher(promlabels.MatchEqual, "pod", "b")
	if (Given{Label: "pod", Values: []string{"a"}}).Is(other) || (Given{Label: "po", Values: []string{"b"}}).Is(other) || (Given{Label: "pod", Values: []string{"b", "c"}}).Is(other) {
		t.Error("another matcher is taken for it")
	}
}
