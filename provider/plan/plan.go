// Package plan decides, purely, which queries answer what is wanted.
//
// Reads whose rendered queries are equal share one. So do reads of one rule that differ
// only in their namespace, their objects, or the values of their metric selector, where
// the query's syntax tree proves that each gets from the common answer what its own query
// would have given it (see prove.go). What may share a query is decided here and nowhere
// else: demand before it and source behind it do not know.
package plan

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Renderer turns a read into a query; *rule.Rule is one. It is comparable, and an equal one
// renders the same.
type Renderer interface {
	ID() string
	Query(m rule.Mapper, in rule.QueryInput) (rule.Query, error)
}

// Want is one wanted metric with all that decides its query.
type Want struct {
	ID     metric.Identifier
	Rule   Renderer
	Series string
	// Names of the described objects, sorted; nil for external metrics.
	Names []string
	// Elements is how many there are of these objects in an answer, about, where that is
	// more than one of each: a pod has several containers.
	Elements int
	// MetricSelector is that of ID.
	MetricSelector labels.Selector
	// Class keeps wants of different classes apart: only those of one share a query with
	// others. Equal queries of any class are one, of the first one's class.
	Class int
	// Share is with how many others, at most, it may share a query, itself included; 0 for
	// no bound but Limits.
	Share int
}

// Size is how many elements an answer has of the want's objects, about; 0 for external
// metrics, of which it is not known.
func (w Want) Size() int { return max(len(w.Names), w.Elements) }

// Limits bound the queries that several reads share, and the answers to all.
type Limits struct {
	// Names is how many values of a label, or names of objects, a query lists at most.
	Names int
	// Values is how many elements an answer may have, about. What has more by itself is
	// asked in pieces, if they are proved to give the same.
	Values int
	// Reads that share one query.
	Reads int
	// Count is how many live objects of a kind there are in a namespace, or in all where
	// that is empty; ok is false where it is not known. Nil knows none.
	Count func(gr schema.GroupResource, namespace string) (n int, ok bool)
}

// DefaultLimits keep a query below what a URL or a proxy takes in a POST (about 100 KB), and
// an answer at a few MB.
func DefaultLimits() Limits { return Limits{Names: 1000, Values: 20_000, Reads: 2000} }

// Plan is what to do for a set of wants.
type Plan struct {
	Queries []Query
	// Empty wants have no live object: there is nothing to ask.
	Empty []metric.Identifier
	// Failed wants have no query, with the reason.
	Failed map[metric.Identifier]error
}

// Make plans the wants once. The order of Queries is that of the first want of each.
func Make(wants []Want, m rule.Mapper, l Limits) Plan { return NewPlanner(m, nil).Plan(wants, l) }
