package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Query is one query and what it answers.
type Query struct {
	rule.Query
	Rule string // its ID
	// Parts are the reads that it answers: one, whose own query it is, or several.
	Parts []Part
	// For are the metrics of all parts.
	For []metric.Identifier
	// Alone is why it answers one read only; nil where it could answer more.
	Alone *Unprovable

	group  *group // how it was made
	list   labelSet
	pieces int // of one read: in which it is asked, about
}

// Part is one of the reads that a query answers.
type Part struct {
	rule.Query // of its own
	// Names of the described objects, sorted; nil for external metrics.
	Names []string
	For   []metric.Identifier // equal reads
	// Resource and Namespace are those of For.
	Resource  schema.GroupResource
	Namespace string

	share    int // reads with which it may be asked together at most; 0 for no bound
	elements int // of its answer, about
}

// Shared says whether the query is of several reads, so that an element of its answer
// belongs to those whose labels it has.
func (q *Query) Shared() bool { return len(q.Parts) > 1 }

// Key tells from an element's labels to which parts it belongs: those of the same PartKey.
func (q *Query) Key(get func(label string) string) string {
	return keyOf(q.group.wide.given, func(g rule.Given) string { return get(g.Label) })
}

// PartKey is the Key of a part's elements.
func (q *Query) PartKey(p *Part) string {
	return keyOf(p.Given, func(g rule.Given) string { return g.Values[0] })
}

// keyOf is made of the values of all labels but that of objects, of which a part has many.
func keyOf(given []rule.Given, value func(rule.Given) string) string {
	key := ""
	for _, g := range given {
		if !g.Objects {
			key += value(g) + "\x00"
		}
	}
	return key
}

// Added are the labels that elements of the answer have because they are shared: the
// part's own query would not give them.
func (q *Query) Added() (labels []string) {
	for i, g := range q.group.wide.given {
		if !q.group.wide.kept.has(i) {
			labels = append(labels, g.Label)
		}
	}
	return labels
}

// Labels are those by which elements are told apart, in Key and among objects.
func (q *Query) Labels() (labels []string) {
	for _, g := range q.group.wide.given {
		labels = append(labels, g.Label)
	}
	return labels
}

// One returns the query of one part, as its read alone would send it.
func (q *Query) One(i int) Query { return q.group.single(q.Parts[i]) }

// Split returns the query's two halves, for one that failed: what is wrong may be of one
// read only. It must be Shared.
func (q *Query) Split() (first, second Query) {
	half := len(q.Parts) / 2
	return q.group.narrower(q.Parts[:half], q.list), q.group.narrower(q.Parts[half:], q.list)
}

// single is the query of one part, as its read alone would send it.
func (g *group) single(p Part) Query {
	return Query{Query: p.Query, Rule: g.rule, Parts: []Part{p}, For: p.For, Alone: g.why, pieces: ceil(p.elements, max(1, g.limits.Values))}
}

func forAll(parts []Part) (ids []metric.Identifier) {
	n := 0
	for _, p := range parts {
		n += len(p.For)
	}
	ids = make([]metric.Identifier, 0, n)
	for _, p := range parts {
		ids = append(ids, p.For...)
	}
	return slices.Clip(ids)
}
