package monitoring

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/hack/exported"
)

// targetLabels are those that Prometheus gives each series it scrapes, however it finds
// what to scrape. There is also job, which is another one each time.
var targetLabels = []string{"instance"}

// Check returns what of a query no program exports: names of metrics, and labels that none
// of the metrics has which they are asked of. It goes by the syntax tree.
func Check(exported exported.Catalog, expr string) []string {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	c := &checker{exported: exported}
	c.check(tree)
	slices.Sort(c.found)
	return slices.Compact(c.found)
}

type checker struct {
	exported exported.Catalog
	found    []string
}

func (c *checker) says(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// check looks at an expression and returns the labels that elements of it may have.
func (c *checker) check(expr parser.Node) (has []string) {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return c.selector(e)
	case *parser.AggregateExpr:
		has = c.check(e.Expr)
		c.need("by", e.Grouping, has)
		switch {
		case e.Without:
			return slices.DeleteFunc(slices.Clone(has), func(l string) bool { return slices.Contains(e.Grouping, l) })
		case e.Op == parser.TOPK, e.Op == parser.BOTTOMK:
			return has
		}
		return e.Grouping
	case *parser.BinaryExpr:
		left, right := c.check(e.LHS), c.check(e.RHS)
		if m := e.VectorMatching; m != nil {
			c.need("on, left of "+e.Op.String(), m.MatchingLabels, left)
			c.need("on, right of "+e.Op.String(), m.MatchingLabels, right)
		}
		if e.Op == parser.LUNLESS || e.Op == parser.LAND {
			return left
		}
		return slices.Concat(left, right)
	}
	for child := range parser.ChildrenIter(expr) {
		has = append(has, c.check(child)...)
	}
	return has
}

func (c *checker) selector(e *parser.VectorSelector) []string {
	known, there := c.exported[e.Name]
	if !there {
		c.says("no program exports %q", e.Name)
		return nil
	}
	has := slices.Concat(known, targetLabels)
	for _, l := range known {
		// What a metric says of itself is renamed where the target has the same label.
		has = append(has, "exported_"+l)
	}
	for _, m := range e.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			c.need(e.Name, []string{m.Name}, has)
		}
	}
	return has
}

func (c *checker) need(where string, wanted, has []string) {
	for _, l := range wanted {
		if !slices.Contains(has, l) {
			c.says("%s: no metric there has the label %q, of %s", where, l, strings.Join(has, ", "))
		}
	}
}

// Labels are the labels that the results of a query may have.
func Labels(exported exported.Catalog, expr string) ([]string, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	return (&checker{exported: exported}).check(tree), nil
}

// Matcher is a value that a query asks a label of a metric for.
type Matcher struct{ Metric, Label, Value string }

// Matchers are the values of labels that a query names, those of alternatives each.
func Matchers(expr string) ([]Matcher, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	var all []Matcher
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if e, ok := node.(*parser.VectorSelector); ok {
			for _, m := range e.LabelMatchers {
				if m.Name == model.MetricNameLabel {
					continue
				}
				for value := range strings.SplitSeq(m.Value, "|") {
					all = append(all, Matcher{e.Name, m.Name, value})
				}
			}
		}
		return nil
	})
	return all, nil
}
