package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// group is the reads whose wide queries are equal.
type group struct {
	rule   string
	wide   wide
	why    *Unprovable // the one read is asked by itself
	parts  []Part
	limits Limits
}

// groups are made want by want. Their order is that of their first wants.
type groups struct {
	order []*group
	// same finds the part of an equal query, of a group that sharing has found.
	same   map[sameKey]place
	shared map[classKey]*group
}

type sameKey struct{ rule, promQL, label string }

type classKey struct {
	class int
	*shape
}

type place struct {
	*group
	part int
}

func newGroups() *groups { return &groups{same: map[sameKey]place{}, shared: map[classKey]*group{}} }

// add puts a want and its query where they belong.
func (gs *groups) add(w *Want, made proved) {
	id := w.Rule.ID()
	k := sameKey{id, made.query.PromQL, made.query.ObjectLabel}
	if at, ok := gs.same[k]; ok {
		p := &at.parts[at.part]
		p.For = append(p.For, w.ID)
		return
	}
	g := gs.find(id, w.Class, made)
	gs.same[k] = place{g, len(g.parts)}
	g.parts = append(g.parts, Part{
		Query: made.query, Names: w.Names, For: []metric.Identifier{w.ID}, Resource: w.ID.Resource, Namespace: w.ID.Namespace, share: w.Share, elements: w.Size(),
	})
}

// find returns the group of a query; a new one where there is none.
func (gs *groups) find(rule string, class int, made proved) *group {
	k := classKey{class, made.shape}
	if known := gs.shared[k]; made.why == nil && known != nil {
		return known
	}
	g := &group{rule: rule, why: made.why}
	gs.order = append(gs.order, g)
	if made.why == nil {
		g.wide = made.shape.wide
		gs.shared[k] = g
	}
	return g
}

func widenQuery(q rule.Query) (wide, *Unprovable) {
	switch {
	case q.MaxSeries > 0:
		return wide{}, &Unprovable{Expr: q.PromQL, Why: "it is of one policy alone"}
	case len(q.Given) == 0:
		return wide{}, &Unprovable{Expr: q.PromQL, Why: "the read gives no label a value"}
	}
	return widen(q.Expr, q.Given)
}

func (gs *groups) queries(l Limits) (out []Query) {
	for _, g := range gs.order {
		out = append(out, g.queries(l)...)
	}
	return out
}

// queries are the group's, as few as the limits allow.
func (g *group) queries(l Limits) (out []Query) {
	g.limits = l
	if g.why != nil || len(g.parts) == 1 {
		for _, p := range g.parts {
			out = append(out, g.single(p))
		}
		return out
	}
	// Equal sets of reads have to give equal queries, whoever was wanted first. Those that
	// may share with few come last, and do not cut the others' queries short.
	slices.SortStableFunc(g.parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(bound(b.share), bound(a.share)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.PromQL, b.PromQL))
	})
	list := g.choose()
	begin := 0
	c := chunk{group: g, list: list}
	for i := range g.parts {
		p := &g.parts[i]
		if p.share > 0 {
			// With others it has failed, and what nobody asks about may be at fault.
			list = g.all()
		}
		if list != c.list || !c.fits(p) {
			if i > begin {
				out = append(out, g.query(g.parts[begin:i], c.list))
			}
			begin, c = i, chunk{group: g, list: list}
		}
		c.take(p)
	}
	return append(out, g.query(g.parts[begin:], c.list))
}

// all are the labels that reads give values to.
func (g *group) all() labelSet { return first(len(g.wide.given)) }

// narrower is a query for some parts of another's, which lists the values of all labels where
// they are few enough.
func (g *group) narrower(parts []Part, list labelSet) Query {
	for _, v := range g.union(parts, g.all()) {
		if len(v.Values) > g.limits.Names {
			return g.query(parts, list)
		}
	}
	return g.query(parts, g.all())
}

func bound(share int) int {
	if share == 0 {
		return math.MaxInt
	}
	return share
}

// query is one for some parts of the group.
func (g *group) query(parts []Part, list labelSet) Query {
	if len(parts) == 1 {
		return g.single(parts[0])
	}
	given := g.union(parts, list)
	q := Query{Query: parts[0].Query, Rule: g.rule, Parts: parts, For: forAll(parts), group: g, list: list}
	q.PromQL, q.Given = g.wide.about(given), given
	return q
}

// union are the given matchers of all parts together, of the labels that are listed.
func (g *group) union(parts []Part, list labelSet) (given []rule.Given) {
	for i, v := range g.wide.given {
		if !list.has(i) {
			continue
		}
		v.Values = nil
		for _, p := range parts {
			v.Values = append(v.Values, p.Given[i].Values...)
		}
		slices.Sort(v.Values)
		v.Values = slices.Compact(v.Values)
		given = append(given, v)
	}
	return given
}

// about is the wide query about some values of its labels, as PromQL.
func (w *wide) about(given []rule.Given) string {
	matchers := make([]*promlabels.Matcher, len(given))
	for i, g := range given {
		matchers[i] = g.Matcher()
	}
	expr, err := rule.NewParser().ParseExpr(w.promQL)
	if err != nil {
		panic(fmt.Sprintf("a query that was proved cannot be read again: %v: %s", err, w.promQL))
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			s.LabelMatchers = append(s.LabelMatchers, matchers...)
		}
		return nil
	})
	return expr.String()
}
