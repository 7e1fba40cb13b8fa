package query

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// FuzzCompile: whatever is accepted has, when it is read again, the enforced matchers
// on every selector, and is but for them what the user wrote; and what was accepted
// once, as it was printed, is accepted again and does not change.
func FuzzCompile(f *testing.F) {
	for _, test := range escapes() {
		f.Add("shop", test.expr)
	}
	f.Add(`a"b`, "up")
	f.Add("shop", "-1^2*sum(up)%-inf atan2 (-1)^2 != bool 1.50e3")
	f.Add("shop", `sum(up{a="\t\u00e9"} offset 90s) + 5m + 0x1F + max_over_time((-up)[1h30m:90s] offset 1w)`)
	settings := confining(f)
	f.Fuzz(func(t *testing.T, namespace, expr string) {
		compiled, problems := settings.Compile(namespace, expr)
		if (len(problems) == 0) == (compiled == Compiled{}) || len(problems) > maxProblems {
			t.Fatalf("%v with %v", compiled, problems)
		}
		if len(problems) > 0 {
			return
		}
		everySelector(t, compiled.PromQL, `namespace="`+namespace+`"`, `cluster="eu"`)
		one, err := labels.NewMatcher(labels.MatchEqual, "namespace", namespace)
		if err != nil {
			t.Fatal(err)
		}
		want, got := normal(t, expr, append([]*labels.Matcher{one}, settings.Matchers...)), normal(t, compiled.PromQL, nil)
		if diff := cmp.Diff(want, got, shape()); diff != "" {
			t.Errorf("%s became %s: %s", expr, compiled.PromQL, diff)
		}
		if len(compiled.PromQL) > settings.MaxLength {
			return
		}
		again, problems := settings.Compile(namespace, compiled.PromQL)
		if len(problems) > 0 || again != compiled {
			t.Errorf("%v, then %v, %v", compiled, again, problems)
		}
	})
}

// normal reads an expression, puts matchers on its selectors that have others, and
// the matchers into one order.
func normal(t *testing.T, expr string, enforced []*labels.Matcher) parser.Expr {
	t.Helper()
	tree, err := newParser().ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			s.LabelMatchers = append(slices.Clone(s.LabelMatchers), enforced...)
			slices.SortFunc(s.LabelMatchers, func(a, b *labels.Matcher) int { return strings.Compare(a.String(), b.String()) })
			s.LabelMatchers = slices.CompactFunc(s.LabelMatchers, func(a, b *labels.Matcher) bool { return a.String() == b.String() })
			s.Name = "" // also among the matchers, and not set for a quoted one
		}
		return nil
	})
	return tree
}

// shape compares trees but for where their parts stand in the text.
func shape() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b *labels.Matcher) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b *parser.Function) bool { return a.Name == b.Name }),
		cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b }),
		cmp.FilterPath(func(p cmp.Path) bool {
			switch p.Last().Type() {
			case reflect.TypeFor[posrange.PositionRange](), reflect.TypeFor[posrange.Pos]():
				return true
			}
			return false
		}, cmp.Ignore()),
		// 5m is printed as 5m; that it was 300 at first says nothing.
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Duration" }, cmp.Ignore()),
		cmp.FilterValues(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore()),
	}
}
