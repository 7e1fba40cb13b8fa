package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// NewParser accepts everything a source might, experimental functions included:
// whether they are switched on is the source's to say.
func NewParser() parser.Parser {
	return parser.NewParser(parser.Options{
		EnableExperimentalFunctions:  true,
		ExperimentalDurationExpr:     true,
		EnableExtendedRangeSelectors: true,
		EnableBinopFillModifiers:     true,
	})
}

// parseSelector parses a series selector as /api/v1/series takes it.
func parseSelector(p parser.Parser, selector string) ([]*promlabels.Matcher, error) {
	matchers, err := p.ParseMetricSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("is not a series selector: %s", clip(err.Error()))
	}
	if !slices.ContainsFunc(matchers, func(m *promlabels.Matcher) bool { return !m.Matches("") }) {
		return nil, fmt.Errorf("selects every series: add a matcher that does not match the empty text, for example {__name__=~\"http_.+\"}")
	}
	return matchers, nil
}

// parseQuery parses a rendered query and checks that its result is one that an
// instant query can serve as values.
func parseQuery(p parser.Parser, query string) (parser.Expr, error) {
	expr, err := p.ParseExpr(query)
	if err != nil {
		return nil, fmt.Errorf("renders to invalid PromQL: %s: %s", clip(err.Error()), clip(query))
	}
	switch expr.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
		return expr, nil
	case parser.ValueTypeMatrix:
		return nil, fmt.Errorf("renders to a range vector, which is many values for each series: put a function such as rate( ) around it: %s", clip(query))
	default:
		return nil, fmt.Errorf("renders to a %s, not to numbers: %s", expr.Type(), clip(query))
	}
}

// selectors tells how the age of a query's samples is bounded.
type selectors struct {
	instant, ranged bool
	window          time.Duration
}

func selectorsOf(expr parser.Expr) selectors {
	var s selectors
	inRange := map[parser.Node]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.MatrixSelector:
			s.ranged, s.window = true, max(s.window, node.Range)
			inRange[node.VectorSelector] = true
		case *parser.SubqueryExpr:
			s.ranged, s.window = true, max(s.window, node.Range)
		case *parser.VectorSelector:
			s.instant = s.instant || !inRange[node]
		}
		return nil
	})
	return s
}

// drops says that no element of the expression's result can carry the label. It is
// true only where that is certain.
func drops(expr parser.Expr, label string) bool {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return drops(e.Expr, label)
	case *parser.StepInvariantExpr:
		return drops(e.Expr, label)
	case *parser.UnaryExpr:
		return drops(e.Expr, label)
	case *parser.NumberLiteral:
		return true
	case *parser.AggregateExpr:
		return aggregationDrops(e, label)
	case *parser.BinaryExpr:
		return binaryDrops(e, label)
	case *parser.Call:
		return expr.Type() == parser.ValueTypeScalar || e.Func.Name == "vector"
	default:
		return false
	}
}

func aggregationDrops(e *parser.AggregateExpr, label string) bool {
	switch e.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO: // these keep the elements as they are
		return drops(e.Expr, label)
	case parser.COUNT_VALUES:
		if made, ok := e.Param.(*parser.StringLiteral); !ok || made.Val == label {
			return false
		}
	}
	listed := slices.Contains(e.Grouping, label)
	if e.Without {
		return listed || drops(e.Expr, label)
	}
	return !listed || drops(e.Expr, label)
}

func binaryDrops(e *parser.BinaryExpr, label string) bool {
	left, right := drops(e.LHS, label), drops(e.RHS, label)
	switch {
	case e.VectorMatching == nil: // a scalar on at least one side
		return left && right
	case e.Op == parser.LOR:
		return left && right
	case e.Op == parser.LAND, e.Op == parser.LUNLESS:
		return left
	case slices.Contains(e.VectorMatching.Include, label):
		return left && right
	case e.VectorMatching.Card == parser.CardOneToMany: // group_right
		return right
	case e.VectorMatching.Card == parser.CardOneToOne && !e.Op.IsComparisonOperator():
		listed := slices.Contains(e.VectorMatching.MatchingLabels, label)
		return left && right || left && !fills(e) || e.VectorMatching.On != listed
	default:
		return left && !fills(e)
	}
}

// fills says that a binary operator invents elements for a side that has none.
func fills(e *parser.BinaryExpr) bool {
	return e.VectorMatching.FillValues.LHS != nil || e.VectorMatching.FillValues.RHS != nil
}

// canonical returns a selector's matchers in one order, to compare selectors.
func canonical(matchers []*promlabels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}
