package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// group is the reads whose wide queries are equal.
type group struct {
	rule  string
	wide  wide
	why   *Unprovable // the one read is asked by itself
	parts []Part
}

// groups are made want by want. Their order is that of their first wants.
type groups struct {
	order []*group
	// same finds the part of an equal query, of a group that sharing has found.
	same   map[sameKey]place
	shared map[string]*group
}

type sameKey struct{ rule, promQL, label string }

type place struct {
	*group
	part int
}

func newGroups() *groups { return &groups{same: map[sameKey]place{}, shared: map[string]*group{}} }

// add puts a want and its query where they belong.
func (gs *groups) add(w Want, q rule.Query) {
	id := w.Rule.ID()
	k := sameKey{id, q.PromQL, q.ObjectLabel}
	if at, ok := gs.same[k]; ok {
		p := &at.parts[at.part]
		p.For = append(p.For, w.ID)
		return
	}
	g := gs.find(id, w, q)
	gs.same[k] = place{g, len(g.parts)}
	g.parts = append(g.parts, Part{
		Query: q, Names: w.Names, For: []metric.Identifier{w.ID}, Resource: w.ID.Resource, Namespace: w.ID.Namespace, share: w.Share,
	})
}

// find returns the group of a query; a new one where there is none.
func (gs *groups) find(id string, w Want, q rule.Query) *group {
	g := &group{rule: id}
	var err error
	if g.wide, err = widenQuery(q); err != nil {
		if !errors.As(err, &g.why) {
			g.why = &Unprovable{Expr: q.PromQL, Why: err.Error()}
		}
		gs.order = append(gs.order, g)
		return g
	}
	key := fmt.Sprintf("%s\x00%d\x00%s\x00%s\x00%v\x00%s\x00%s", id, w.Class, q.ObjectLabel, g.wide.promQL, g.wide.kept, w.ID.API, w.ID.Resource)
	for _, v := range g.wide.given {
		key += "\x00" + v.Label
	}
	if known := gs.shared[key]; known != nil {
		return known
	}
	gs.shared[key] = g
	gs.order = append(gs.order, g)
	return g
}

// promQL is how rendered queries are parsed: they have been parsed so before.
var promQL = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
})

func widenQuery(q rule.Query) (wide, error) {
	if q.MaxSeries > 0 {
		return wide{}, &Unprovable{Expr: q.PromQL, Why: "it is of one policy alone"}
	}
	if len(q.Given) == 0 {
		return wide{}, &Unprovable{Expr: q.PromQL, Why: "the read gives no label a value"}
	}
	expr, err := promQL.ParseExpr(q.PromQL)
	if err != nil {
		return wide{}, err
	}
	return widen(expr, q.Given)
}

func (gs *groups) queries(l Limits) (out []Query) {
	for _, g := range gs.order {
		out = append(out, g.queries(l)...)
	}
	return out
}

// queries are the group's, as few as the limits allow.
func (g *group) queries(l Limits) (out []Query) {
	if g.why != nil || len(g.parts) == 1 {
		for _, p := range g.parts {
			out = append(out, single(g.rule, p, g.why))
		}
		return out
	}
	// Equal sets of reads have to give equal queries, whoever was wanted first. Those that
	// may share with few come last, and do not cut the others' queries short.
	slices.SortStableFunc(g.parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(bound(b.share), bound(a.share)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.PromQL, b.PromQL))
	})
	list := g.choose(l)
	begin := 0
	c := chunk{group: g, list: list, limits: l}
	for i := range g.parts {
		if !c.fits(&g.parts[i]) {
			out = append(out, g.query(g.parts[begin:i], list))
			begin, c = i, chunk{group: g, list: list, limits: l}
		}
		c.take(&g.parts[i])
	}
	return append(out, g.query(g.parts[begin:], list))
}

func bound(share int) int {
	if share == 0 {
		return int(^uint(0) >> 1)
	}
	return share
}

// listed are the labels of given whose values a query lists. The values of the others are
// left out, so that the answer has all there are.
type listed = labelSet

// choose decides by cost which labels' values to list. Few are listed: the source then
// looks at what is wanted alone. Where so many are wanted that it takes several queries
// to list them, and most of what there is is wanted anyway, none are.
func (g *group) choose(l Limits) listed {
	all := listed(1)<<len(g.wide.given) - 1
	objects := slices.IndexFunc(g.wide.given, func(v rule.Given) bool { return v.Objects })
	if objects < 0 || l.Count == nil {
		return all
	}
	wanted, live, everywhere := g.census(l)
	list := all
	if wanted > l.Names && live > 0 && 2*wanted >= live {
		list &^= 1 << objects
		if everywhere > 0 && 2*live >= everywhere && g.namespaces() > l.Names {
			if i := g.namespaceLabel(objects); i >= 0 {
				list &^= 1 << i
			}
		}
	}
	return list
}

// census counts the objects that are wanted, those that there are in their namespaces, and
// all; 0 where a number is not known.
func (g *group) census(l Limits) (wanted, live, everywhere int) {
	seen := map[string]map[string]bool{}
	for _, p := range g.parts {
		if seen[p.Namespace] == nil {
			seen[p.Namespace] = map[string]bool{}
		}
		for _, name := range p.Names {
			seen[p.Namespace][name] = true
		}
	}
	gr, known := g.parts[0].Resource, true
	for ns, names := range seen {
		wanted += len(names)
		n, ok := l.Count(gr, ns)
		live, known = live+n, known && ok
	}
	if !known {
		live = 0
	}
	everywhere, _ = l.Count(gr, "")
	return wanted, live, everywhere
}

func (g *group) namespaces() int {
	seen := map[string]bool{}
	for _, p := range g.parts {
		seen[p.Namespace] = true
	}
	return len(seen)
}

// namespaceLabel is the place of the label that has the parts' namespaces as its values,
// -1 if there is none.
func (g *group) namespaceLabel(objects int) int {
	for i := range g.wide.given {
		is := i != objects
		for _, p := range g.parts {
			is = is && p.Given[i].Values[0] == p.Namespace
		}
		if is {
			return i
		}
	}
	return -1
}

// chunk counts what one query is about so far.
type chunk struct {
	*group
	limits Limits
	list   listed
	reads  int
	share  int
	values int
	seen   []map[string]bool // values of each label
	places map[string]bool   // namespaces whose objects are counted
}

// fits says whether the query can be about one more read. It can always be about one.
func (c *chunk) fits(p *Part) bool {
	if c.reads == 0 {
		return true
	}
	if share := min(bound(c.share), bound(p.share)); c.reads+1 > share || c.reads+1 > c.limits.Reads {
		return false
	}
	if c.values+c.adds(p) > c.limits.Values {
		return false
	}
	for i, g := range p.Given {
		fresh := 0
		for _, v := range g.Values {
			if !c.seen[i][v] {
				fresh++
			}
		}
		if c.list.has(i) && len(c.seen[i])+fresh > c.limits.Names {
			return false
		}
	}
	return true
}

// adds is about how many elements of the answer a read adds.
func (c *chunk) adds(p *Part) int {
	for i, g := range c.wide.given {
		if g.Objects && !c.list.has(i) {
			if c.places[p.Namespace] {
				return 0
			}
			n, _ := c.limits.Count(p.Resource, p.Namespace)
			return n
		}
	}
	return max(1, len(p.Names))
}

func (c *chunk) take(p *Part) {
	if c.seen == nil {
		c.places = map[string]bool{}
		for range p.Given {
			c.seen = append(c.seen, map[string]bool{})
		}
	}
	c.values += c.adds(p)
	c.places[p.Namespace] = true
	c.reads++
	c.share = min(bound(c.share), bound(p.share))
	for i, g := range p.Given {
		for _, v := range g.Values {
			c.seen[i][v] = true
		}
	}
}

// query is one for some parts of the group.
func (g *group) query(parts []Part, list listed) Query {
	if len(parts) == 1 {
		return single(g.rule, parts[0], nil)
	}
	given := g.union(parts, list)
	q := Query{Query: parts[0].Query, Rule: g.rule, Parts: parts, For: forAll(parts), group: g, list: list}
	q.PromQL, q.Given = g.wide.about(given), given
	return q
}

// union are the given matchers of all parts together, of the labels that are listed.
func (g *group) union(parts []Part, list listed) (given []rule.Given) {
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
	expr, err := promQL.ParseExpr(w.promQL)
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
