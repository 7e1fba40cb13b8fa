package query

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxPrinted bounds what is sent to the source, in bytes: 1e300 is printed with all
// its digits.
const maxPrinted = 16 << 10

// Compiled is a confined query.
type Compiled struct {
	PromQL string
	// Instant says that there is an instant selector, whose samples' age the source's
	// lookback delta bounds. Range says that there is a range selector or subquery;
	// Window is the longest of them.
	Instant, Range bool
	Window         time.Duration
}

// Compile confines expr to a namespace, or says why it cannot be served. Whatever
// expr is, the result selects no series but those that carry the namespace in
// NamespaceLabel and match the enforced matchers.
func (s Settings) Compile(namespace, expr string) (Compiled, []Problem) {
	var p problems
	enforced, ok := s.enforced(namespace, &p)
	if !ok {
		return Compiled{}, p.list
	}
	if len(expr) > s.MaxLength {
		p.add(fmt.Sprintf("%d is the most; a recording rule can do a part of it", s.MaxLength), "the query has %d bytes", len(expr))
		return Compiled{}, p.list
	}
	tree, err := newParser().ParseExpr(expr)
	if err != nil {
		p.add("write an expression of PromQL without experimental parts", "the query cannot be read, %s", clip(err.Error()))
		return Compiled{}, p.list
	}
	w := walker{settings: s, enforced: enforced, problems: &p}
	w.walk(tree, path{steps: 1})
	if len(w.selectors) == 0 {
		p.add("name a metric; for what depends on the time alone there are schedules", "the query selects no series")
	}
	switch tree.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	case parser.ValueTypeMatrix:
		p.add("put a function such as rate( ) or max_over_time( ) around it", "the query's result is a range, which is many values")
	default:
		p.add("", "the query's result is a %s, no number", tree.Type())
	}
	if len(p.list) > 0 {
		return Compiled{}, p.list
	}
	for _, selector := range w.selectors {
		selector.LabelMatchers = appendMissing(selector.LabelMatchers, enforced)
	}
	printed := tree.String()
	if err := verify(printed, w.selectors, enforced); err != nil {
		p.add("write it in a simpler way", "the query cannot be confined safely, %s", err)
		return Compiled{}, p.list
	}
	return Compiled{PromQL: printed, Instant: w.instant, Range: w.ranged, Window: w.window}, nil
}

// Check says what is wrong with expr in a namespace; nil if Compile takes it.
func (s Settings) Check(namespace, expr string) (texts []string) {
	_, found := s.Compile(namespace, expr)
	for _, p := range found {
		texts = append(texts, p.Error())
	}
	return texts
}

// enforced returns what each selector is confined by.
func (s Settings) enforced(namespace string, p *problems) ([]*labels.Matcher, bool) {
	if !s.Enabled {
		p.add("use an objective external with a metric that a rule gives", "queries are switched off in this cluster (--queries=false)")
		return nil, false
	}
	// An empty value would match the series that carry no namespace at all.
	if len(validation.IsDNS1123Label(namespace)) > 0 || !usableLabel(s.NamespaceLabel) {
		p.add("", "a query cannot be confined to the namespace %q by the label %q", clip(namespace), clip(s.NamespaceLabel))
		return nil, false
	}
	one, err := labels.NewMatcher(labels.MatchEqual, s.NamespaceLabel, namespace)
	if err != nil {
		p.add("", "a query cannot be confined to the namespace %q: %s", namespace, err)
		return nil, false
	}
	return append([]*labels.Matcher{one}, s.Matchers...), true
}

// appendMissing only ever adds: each further matcher selects less.
func appendMissing(to, enforced []*labels.Matcher) []*labels.Matcher {
	to = slices.Clone(to)
	for _, m := range enforced {
		if !slices.ContainsFunc(to, func(has *labels.Matcher) bool { return same(has, m) }) {
			to = append(to, m)
		}
	}
	return to
}

func same(a, b *labels.Matcher) bool {
	return a.Type == b.Type && a.Name == b.Name && a.Value == b.Value
}
