package query

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	maxDepth = 30  // of the tree
	maxText  = 256 // of a regular expression or a string, in bytes
)

// walker looks at every node of a tree.
type walker struct {
	settings Settings
	enforced []*labels.Matcher
	problems *problems

	selectors       []*parser.VectorSelector // in the order of parser.Inspect
	instant, ranged bool
	window          time.Duration
}

// path is what lies between a node and the root.
type path struct {
	depth         int
	ranges        time.Duration // of the subqueries, added up
	offsets       time.Duration
	steps         float64 // multiplied; a float does not overflow
	underSelector bool    // the node is the selector of a range
}

// walk checks e and all below it. A kind of node that is not in the switch is refused.
func (w *walker) walk(e parser.Expr, at path) {
	if at.depth++; at.depth > maxDepth {
		w.problems.add("a recording rule can do a part of it", "the query is nested more than %d deep", maxDepth)
		return
	}
	switch e := e.(type) {
	case *parser.ParenExpr:
		w.walk(e.Expr, at)
	case *parser.UnaryExpr:
		w.operator(e.Op)
		w.walk(e.Expr, at)
	case *parser.BinaryExpr:
		w.binary(e, at)
	case *parser.AggregateExpr:
		w.operator(e.Op)
		w.walk(e.Expr, at)
		if e.Param != nil {
			w.walk(e.Param, at)
		}
	case *parser.Call:
		w.call(e, at)
	case *parser.SubqueryExpr:
		w.subquery(e, at)
	case *parser.MatrixSelector:
		w.matrix(e, at)
	case *parser.VectorSelector:
		w.selector(e, at)
	case *parser.NumberLiteral:
	case *parser.StringLiteral:
		if len(e.Val) > maxText {
			w.problems.add(fmt.Sprintf("%d is the most", maxText), "a string has %d bytes", len(e.Val))
		}
	default:
		w.problems.add("write it without", "the query has a part of a kind that is not allowed, %s", strings.TrimPrefix(fmt.Sprintf("%T", e), "*parser."))
	}
}

func (w *walker) operator(op parser.ItemType) {
	if yes, _ := operator(op); !yes {
		w.problems.add("write it without", "the operator %s is not allowed in a query", op)
	}
}

func (w *walker) binary(e *parser.BinaryExpr, at path) {
	w.operator(e.Op)
	if m := e.VectorMatching; m != nil && (m.FillValues.LHS != nil || m.FillValues.RHS != nil) {
		w.problems.add("write it without", "fill is experimental and not allowed in a query")
	}
	w.walk(e.LHS, at)
	w.walk(e.RHS, at)
}

func (w *walker) call(e *parser.Call, at path) {
	if yes, _ := allowed(e.Func.Name); !yes || e.Func.Experimental {
		w.problems.add("write it without", "the function %s is not allowed in a query", e.Func.Name)
	}
	for _, argument := range e.Args {
		w.walk(argument, at)
	}
}

func (w *walker) subquery(e *parser.SubqueryExpr, at path) {
	w.when(e, e.Timestamp, e.StartOrEnd)
	if e.RangeExpr != nil || e.StepExpr != nil || e.OriginalOffsetExpr != nil {
		w.problems.add("write a duration such as 5m", "a duration is computed in %s", clip(e.String()))
	}
	if e.Step <= 0 {
		w.problems.add("write it after the colon, for example [30m:1m]", "the subquery %s has no step", clip(e.String()))
	} else if at.steps *= float64(e.Range)/float64(e.Step) + 1; at.steps > float64(w.settings.MaxSteps) {
		w.problems.add("make the range shorter or the step longer", "the subquery %s has %.0f steps, with those around it, and %d is the most", clip(e.String()), at.steps, w.settings.MaxSteps)
	}
	at = w.back(e, at, e.Range, e.OriginalOffset)
	w.walk(e.Expr, at)
}

func (w *walker) matrix(e *parser.MatrixSelector, at path) {
	if e.RangeExpr != nil {
		w.problems.add("write a duration such as 5m", "a duration is computed in %s", clip(e.String()))
	}
	at = w.back(e, at, e.Range, 0)
	at.underSelector = true
	w.walk(e.VectorSelector, at)
}

func (w *walker) selector(e *parser.VectorSelector, at path) {
	w.selectors = append(w.selectors, e)
	if len(w.selectors) > w.settings.MaxSelectors {
		w.problems.add("a recording rule can do a part of it", "the query has more than %d selectors", w.settings.MaxSelectors)
		return
	}
	w.instant = w.instant || !at.underSelector
	w.when(e, e.Timestamp, e.StartOrEnd)
	if e.Anchored || e.Smoothed {
		w.problems.add("write it without", "anchored and smoothed are experimental and not allowed in a query")
	}
	if e.OriginalOffsetExpr != nil {
		w.problems.add("write a duration such as 5m", "a duration is computed in %s", clip(e.String()))
	}
	w.back(e, at, 0, e.OriginalOffset)
	for _, m := range e.LabelMatchers {
		w.matcher(m)
	}
}

// back accounts for how far e looks back. Each part is compared before it is added,
// so that no sum overflows.
func (w *walker) back(e parser.Expr, at path, ranges, offset time.Duration) path {
	if ranges > 0 {
		w.ranged, w.window = true, max(w.window, ranges)
	}
	switch most := w.settings.MaxRange; {
	case ranges > most || at.ranges+ranges > most:
		w.problems.add("make the range shorter", "%s looks at a range, with those around it, of more than %s", clip(e.String()), most)
	default:
		at.ranges += ranges
	}
	switch most := w.settings.MaxOffset; {
	case offset < 0:
		w.problems.add("write it without the minus", "%s looks into the future", clip(e.String()))
	case offset > most || at.offsets+offset > most:
		w.problems.add("make the offset shorter", "%s has an offset, with those around it, of more than %s", clip(e.String()), most)
	default:
		at.offsets += offset
	}
	return at
}

// when refuses a fixed time: what is not of now is nothing to scale by.
func (w *walker) when(e parser.Expr, timestamp *int64, startOrEnd parser.ItemType) {
	if timestamp != nil || startOrEnd != 0 {
		w.problems.add("write an offset", "%s is at a fixed time", clip(e.String()))
	}
}

// matcher checks one that the user wrote.
func (w *walker) matcher(m *labels.Matcher) {
	if strings.HasPrefix(m.Name, "__") && m.Name != model.MetricNameLabel {
		// Some sources choose tenants, shards or another language by such labels.
		w.problems.add("write it without", "the label %s is the source's own", clip(m.Name))
	}
	if len(m.Value) > maxText {
		w.problems.add(fmt.Sprintf("%d is the most", maxText), "a matcher of %s has %d bytes", clip(m.Name), len(m.Value))
	}
	for _, e := range w.enforced {
		if e.Name == m.Name && e.Type == labels.MatchEqual && !m.Matches(e.Value) {
			w.problems.add("leave it out", "the matcher %s excludes all that this query may read, which is %s", clip(m.String()), e)
		}
	}
}
