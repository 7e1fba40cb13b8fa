package plan

import (
	"fmt"
	"slices"
	"sync"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Planner plans the same wants again and again. Of each it remembers the query and what is
// proved of it, for as long as the rule, the series and the objects are the same: to render,
// parse and prove takes longer than all else. It is safe for concurrent use.
type Planner struct {
	mapper rule.Mapper
	// changes is another number once the mapper may answer differently.
	changes func() uint64

	mu          sync.Mutex
	seen        uint64 // of changes
	now, before map[metric.Identifier]remembered
	shapes      map[string]*shape
}

// NewPlanner returns a planner for rules of a mapper. changes gives another number once the
// mapper may answer differently; nil says that it never does.
func NewPlanner(m rule.Mapper, changes func() uint64) *Planner {
	if changes == nil {
		changes = func() uint64 { return 0 }
	}
	return &Planner{mapper: m, changes: changes, now: map[metric.Identifier]remembered{}, shapes: map[string]*shape{}}
}

// remembered is a query, and what it was made of besides the identifier.
type remembered struct {
	proved
	rule   Renderer
	series string
	names  []string
}

func (r *remembered) of(w *Want) bool {
	return r.rule == w.Rule && r.series == w.Series && sameNames(r.names, w.Names)
}

// sameNames compares as slices.Equal, and at once where both are the same memory: the
// objects of a selector are listed anew only when one has changed.
func sameNames(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// proved is a rendered query with its proof.
type proved struct {
	query rule.Query // without its expression
	shape *shape     // nil with why
	why   *Unprovable
}

// shape is what queries have in common that can be asked together. There is one of equal ones
// at a time.
type shape struct {
	wide
	key string
}

// prove takes the expression of a query apart, which is lost by that.
func prove(w *Want, q rule.Query) proved {
	wide, why := widenQuery(q)
	q.Expr = nil
	if why != nil {
		return proved{query: q, why: why}
	}
	key := fmt.Sprintf("%s\x00%s\x00%s\x00%v\x00%s\x00%s", w.Rule.ID(), q.ObjectLabel, wide.promQL, wide.kept, w.ID.API, w.ID.Resource)
	for _, v := range wide.given {
		key += "\x00" + v.Label
	}
	return proved{query: q, shape: &shape{wide, key}}
}

// equal is the one shape that there is of all that equal s. p.mu is held.
func (p *Planner) equal(s *shape) *shape {
	if s == nil {
		return nil
	}
	if p.shapes[s.key] == nil {
		p.shapes[s.key] = s
	}
	return p.shapes[s.key]
}

// of returns the query of a want, as remembered or new.
func (p *Planner) of(w *Want) (proved, error) {
	changes := p.changes() // before the mapper is asked: what it says meanwhile is not kept for later
	if known, ok := p.remembers(w, changes); ok {
		return known, nil
	}
	q, err := w.Rule.Query(p.mapper, rule.QueryInput{
		Series: w.Series, Resource: w.ID.Resource, Namespace: w.ID.Namespace, Names: w.Names, Selector: w.MetricSelector,
	})
	if err != nil {
		return proved{}, err
	}
	made := prove(w, q)
	p.mu.Lock()
	defer p.mu.Unlock()
	made.shape = p.equal(made.shape) // and remembered at once, or Forget could come in between
	if p.seen == changes {
		p.now[w.ID] = remembered{made, w.Rule, w.Series, w.Names}
	}
	return made, nil
}

func (p *Planner) remembers(w *Want, changes uint64) (proved, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen != changes {
		p.seen = changes
		p.now, p.before = map[metric.Identifier]remembered{}, nil
		return proved{}, false
	}
	if r, ok := p.now[w.ID]; ok && r.of(w) {
		return r.proved, true
	}
	r, ok := p.before[w.ID]
	if !ok || !r.of(w) {
		return proved{}, false
	}
	p.now[w.ID] = r
	return r.proved, true
}

// Forget forgets what was not planned since Forget was called the last time.
func (p *Planner) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.now = p.now, make(map[metric.Identifier]remembered, len(p.now))
	clear(p.shapes)
	for _, r := range p.before {
		if r.shape != nil {
			p.shapes[r.shape.key] = r.shape
		}
	}
}

// Plan plans the wants. The order of Queries is that of the first want of each.
func (p *Planner) Plan(wants []Want, l Limits) Plan {
	out := Plan{Failed: map[metric.Identifier]error{}}
	groups := newGroups()
	for i := range wants {
		w := &wants[i]
		if w.ID.API.OfObjects() && len(w.Names) == 0 {
			// Without names a rule asks about every object, which is another question.
			out.Empty = append(out.Empty, w.ID)
			continue
		}
		made, err := p.of(w)
		if err != nil {
			out.Failed[w.ID] = noQuery(w, err)
			continue
		}
		groups.add(w, made)
	}
	out.Queries = groups.queries(l)
	return out
}

func noQuery(w *Want, err error) error {
	reason := metric.RuleFailed
	switch r := metric.ReasonOf(err); r {
	// The request is at fault, or the cluster is not known yet: not the rule.
	case metric.Invalid, metric.ObjectsUnknown:
		reason = r
	}
	return metric.Because(reason, err, "no query for %s", w.ID.Metric)
}
