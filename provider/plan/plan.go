// Package plan decides, purely, which queries answer what is wanted.
//
// Today wants whose rendered queries are equal share one query. What else may
// share one is decided here and nowhere else: demand before it and source
// behind it do not know.
package plan

import (
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Renderer turns a read into a query; *rule.Rule is one.
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
	Names          []string
	MetricSelector labels.Selector
}

// Query is one query and what it answers.
type Query struct {
	rule.Query
	Rule  string   // its ID
	Names []string // of the objects it asks about, sorted; equal queries have equal names
	For   []metric.Identifier
}

// Plan is what to do for a set of wants.
type Plan struct {
	Queries []Query
	// Empty wants have no live object: there is nothing to ask.
	Empty []metric.Identifier
	// Failed wants have no query, with the reason.
	Failed map[metric.Identifier]error
}

// Make plans the wants. The order of Queries is that of the first want of each.
func Make(wants []Want, m rule.Mapper) Plan {
	type key struct{ rule, promQL, label string }
	p := Plan{Failed: map[metric.Identifier]error{}}
	at := map[key]int{}
	for _, w := range wants {
		if w.ID.API == metric.Custom && len(w.Names) == 0 {
			// Without names a rule asks about every object, which is another question.
			p.Empty = append(p.Empty, w.ID)
			continue
		}
		q, err := w.Rule.Query(m, rule.QueryInput{
			Series: w.Series, Resource: w.ID.Resource, Namespace: w.ID.Namespace, Names: w.Names, Selector: w.MetricSelector,
		})
		if err != nil {
			reason := metric.RuleFailed
			switch r := metric.ReasonOf(err); r {
			// The request is at fault, or the cluster is not known yet: not the rule.
			case metric.Invalid, metric.ObjectsUnknown:
				reason = r
			}
			p.Failed[w.ID] = metric.Because(reason, err, "no query for %s", w.ID.Metric)
			continue
		}
		k := key{w.Rule.ID(), q.PromQL, q.ObjectLabel}
		i, shared := at[k]
		if !shared {
			i = len(p.Queries)
			at[k] = i
			p.Queries = append(p.Queries, Query{Query: q, Rule: w.Rule.ID(), Names: w.Names})
		}
		p.Queries[i].For = append(p.Queries[i].For, w.ID)
	}
	return p
}
