package plan

import (
	"fmt"
	"slices"
	"strings"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/rule"
)

// The question is whether a query about one namespace, and some objects in it, can be
// asked about many at once, so that what the answer has for the one is what the query
// alone would have answered.
//
// Let L be the labels that a read gives values to. The query alone has, in each selector,
// a matcher for each of them. The wide query leaves these out and keeps all labels of L in
// every result instead. What is proved, node by node from the selectors up, is:
//
//	the elements of the wide result that have the values of the read are the elements of
//	the result alone, with those labels of L put back that the result alone has dropped.
//
// It holds for a selector with all the matchers, for they are equalities: they choose
// among series by L alone. It goes through whatever treats each element by itself, and
// whatever puts elements into groups, if all elements of a group agree in L. The list
// below is of what is known to be so; all else is unprovable, which costs a query of its
// own and nothing more.
//
// Of the label of the described objects a read may give several values. The query alone
// then answers for them together, so it has to tell them apart all the way: that label is
// never dropped.
//
// An error of the wide query says nothing about a read: others' elements may be at
// fault. Its success does: an operator that fails on the elements of a read alone (two
// series with the same labels, several matches) fails on them among others, too.

// wide is a query about all values of the labels that a read gives values to.
type wide struct {
	promQL string // without matchers for any of them
	given  []rule.Given
	// kept are the labels of given that the result of the query alone has.
	kept labelSet
}

// objects is the place of the label of the described objects, -1 if there is none.
func (w *wide) objects() int { return objectsAt(w.given) }

// labelSet is a set of labels, by their places among those given.
type labelSet uint64

func (s labelSet) has(i int) bool { return s&(1<<i) != 0 }

// first is a set of the first n labels.
func first(n int) labelSet { return 1<<n - 1 }

const maxGiven = 64

// Unprovable says why a query is asked by itself.
type Unprovable struct {
	// Expr is the part of the query where the proof ends, and Why is the reason.
	Expr, Why string
}

func (u *Unprovable) Error() string { return fmt.Sprintf("%s: %s", u.Why, u.Expr) }

func unprovable(e parser.Node, format string, args ...any) *Unprovable {
	text := e.String()
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return &Unprovable{Expr: text, Why: fmt.Sprintf(format, args...)}
}

// widen proves that a read can be asked together with others. It changes expr.
func widen(expr parser.Expr, given []rule.Given) (wide, *Unprovable) {
	p := prover{given: given, at: map[string]int{}}
	for i, g := range given {
		_, twice := p.at[g.Label]
		switch {
		case i == maxGiven:
			return wide{}, unprovable(expr, "the read gives values to more than %d labels", maxGiven)
		case twice:
			return wide{}, unprovable(expr, "the read gives two values to the label %s", g.Label)
		case strings.HasPrefix(g.Label, "__"):
			return wide{}, unprovable(expr, "the read gives a value to %s, which functions drop", g.Label)
		}
		p.at[g.Label] = i
	}
	if len(given) == 0 {
		return wide{}, unprovable(expr, "the read gives no label a value")
	}
	if expr.Type() != parser.ValueTypeVector {
		return wide{}, unprovable(expr, "the result has no labels")
	}
	kept, err := p.vector(expr)
	if err != nil {
		return wide{}, err
	}
	return wide{promQL: expr.String(), given: given, kept: kept}, nil
}

type prover struct {
	given []rule.Given
	at    map[string]int // by label
}

// vector proves a node whose result has labels, widens it, and returns which labels of L
// the result alone has.
func (p *prover) vector(e parser.Expr) (labelSet, *Unprovable) {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return p.vector(e.Expr)
	case *parser.UnaryExpr:
		return p.vector(e.Expr)
	case *parser.VectorSelector:
		return p.all(), p.selector(e)
	case *parser.MatrixSelector:
		if e.RangeExpr != nil {
			return 0, unprovable(e, "the range is computed")
		}
		return p.vector(e.VectorSelector)
	case *parser.SubqueryExpr:
		switch {
		case e.RangeExpr != nil, e.StepExpr != nil, e.OriginalOffsetExpr != nil:
			return 0, unprovable(e, "a duration is computed")
		case e.Timestamp != nil, e.StartOrEnd != 0:
			return 0, unprovable(e, "it is about a time of its own (@)")
		}
		return p.vector(e.Expr)
	case *parser.AggregateExpr:
		return p.aggregation(e)
	case *parser.BinaryExpr:
		return p.binary(e)
	case *parser.Call:
		return p.call(e)
	}
	return 0, unprovable(e, "a node of the kind %T is not on the list of what can be proved", e)
}

func (p *prover) all() labelSet { return first(len(p.given)) }

// selector takes the matchers of the read out.
func (p *prover) selector(e *parser.VectorSelector) *Unprovable {
	switch {
	case e.Timestamp != nil, e.StartOrEnd != 0:
		return unprovable(e, "it is about a time of its own (@)")
	case e.OriginalOffsetExpr != nil:
		return unprovable(e, "the offset is computed")
	case e.Anchored, e.Smoothed:
		return unprovable(e, "an extended range selector is not on the list of what can be proved")
	}
	rest := slices.Clone(e.LabelMatchers)
	for _, g := range p.given {
		n := len(rest)
		rest = slices.DeleteFunc(rest, g.Is)
		if len(rest) == n {
			return unprovable(e, "the selector does not have the read's matcher for %s", g.Label)
		}
	}
	if !slices.ContainsFunc(rest, func(m *promlabels.Matcher) bool { return !m.Matches("") }) {
		return unprovable(e, "without the matchers of the read it selects every series")
	}
	e.LabelMatchers = rest
	return nil
}

// aggregation keeps L in the groups. All that are put into one then agree in L, and in
// what they were grouped by before.
func (p *prover) aggregation(e *parser.AggregateExpr) (labelSet, *Unprovable) {
	switch e.Op {
	case parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.COUNT, parser.GROUP, parser.STDDEV, parser.STDVAR:
	case parser.QUANTILE:
		if !constant(e.Param) {
			return 0, unprovable(e, "the parameter of quantile is not constant")
		}
	default:
		return 0, unprovable(e, "%s does not compute each group's value from its own elements, or is not on the list of what can be proved", e.Op)
	}
	kept, err := p.vector(e.Expr)
	if err != nil {
		return 0, err
	}
	listed := p.listed(e.Grouping)
	if e.Without {
		kept &^= listed
		e.Grouping = p.without(e.Grouping)
	} else {
		kept &= listed
		e.Grouping = p.with(e.Grouping)
	}
	return kept, p.apart(e, kept)
}

// apart refuses a result in which the described objects are not told apart.
func (p *prover) apart(e parser.Expr, kept labelSet) *Unprovable {
	for i, g := range p.given {
		if g.Objects && !kept.has(i) {
			return unprovable(e, "it puts objects together, for it drops their label %s", g.Label)
		}
	}
	return nil
}

// binary keeps L among what is matched on. Where both sides have vectors, the query alone
// must not tell elements apart by a label of L that only one side has left.
func (p *prover) binary(e *parser.BinaryExpr) (labelSet, *Unprovable) {
	switch e.Op {
	case parser.ADD, parser.SUB, parser.MUL, parser.DIV, parser.MOD, parser.POW, parser.ATAN2,
		parser.EQLC, parser.NEQ, parser.LTE, parser.LSS, parser.GTE, parser.GTR:
	default:
		return 0, unprovable(e, "%s takes elements of one side for what the other side has none for, or is not on the list of what can be proved", e.Op)
	}
	if e.LHS.Type() == parser.ValueTypeScalar || e.RHS.Type() == parser.ValueTypeScalar {
		scalar, vector := e.LHS, e.RHS
		if scalar.Type() != parser.ValueTypeScalar {
			scalar, vector = vector, scalar
		}
		if !constant(scalar) {
			return 0, unprovable(scalar, "the number is not constant")
		}
		return p.vector(vector)
	}
	match := e.VectorMatching
	switch {
	case match == nil:
		return 0, unprovable(e, "it has no matching")
	case match.Card != parser.CardOneToOne, len(match.Include) > 0:
		return 0, unprovable(e, "group_left and group_right are not on the list of what can be proved")
	case match.FillValues.LHS != nil, match.FillValues.RHS != nil:
		return 0, unprovable(e, "fill makes elements where there are none")
	}
	left, err := p.vector(e.LHS)
	if err != nil {
		return 0, err
	}
	right, err := p.vector(e.RHS)
	if err != nil {
		return 0, err
	}
	listed := p.listed(match.MatchingLabels)
	matched := listed
	if !match.On {
		matched = p.all() &^ listed
	}
	if differ := (left ^ right) & matched; differ != 0 {
		return 0, unprovable(e, "the two sides are matched on %s, which only one of them has", p.name(differ))
	}
	if match.On {
		match.MatchingLabels = p.with(match.MatchingLabels)
	} else {
		match.MatchingLabels = p.without(match.MatchingLabels)
	}
	kept := left & matched
	return kept, p.apart(e, kept)
}

// call goes through functions that treat each series by itself, and those that put the
// buckets of a histogram together.
func (p *prover) call(e *parser.Call) (labelSet, *Unprovable) {
	at, known := perSeries()[e.Func.Name]
	if !known || e.Func.Experimental {
		return 0, unprovable(e, "the function %s is not on the list of what can be proved", e.Func.Name)
	}
	if _, le := p.at["le"]; le && strings.HasPrefix(e.Func.Name, "histogram_") {
		return 0, unprovable(e, "the read gives a value to le, by which buckets are told apart")
	}
	if len(e.Args) <= at {
		return 0, unprovable(e, "it is about the time and no series")
	}
	for i, arg := range e.Args {
		if i != at && !constant(arg) {
			return 0, unprovable(arg, "the argument of %s is not constant", e.Func.Name)
		}
	}
	return p.vector(e.Args[at])
}

// listed are those of L that are among labels.
func (p *prover) listed(labels []string) (s labelSet) {
	for _, l := range labels {
		if i, ok := p.at[l]; ok {
			s |= 1 << i
		}
	}
	return s
}

// with are labels and L, without are labels but for L.
func (p *prover) with(labels []string) []string {
	out := slices.Clone(labels)
	for _, g := range p.given {
		if !slices.Contains(out, g.Label) {
			out = append(out, g.Label)
		}
	}
	return out
}

func (p *prover) without(labels []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { _, ok := p.at[l]; return ok })
}

// name is that of the first of a set.
func (p *prover) name(s labelSet) string {
	for i, g := range p.given {
		if s.has(i) {
			return g.Label
		}
	}
	return ""
}
