package eval

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
)

// Catalog finds the rule of a metric.
type Catalog interface {
	Of(metric.Identifier) (catalog.Entry, bool)
	Wake()
}

// Objects finds live objects. A context that has ended makes it say at once what it
// knows, or fail with reason ObjectsUnknown.
type Objects interface {
	Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error)
	Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error)
	// Count is how many there are of a kind in a namespace, or in all where that is empty,
	// as far as is known without waiting.
	Count(gr schema.GroupResource, namespace string) (n int, ok bool)
}

// errElsewhere is for what another source is asked about: that one's evaluator sees to it.
var errElsewhere = errors.New("another source has it")

// resolveKnown resolves what needs no waiting. The rest are identifiers of kinds
// that were not listed yet, by kind. A list that has hung before is not waited for
// again: its kind's metrics fail, and nothing else is held up.
func (e *Evaluator) resolveKnown(ctx context.Context, ids []metric.Identifier, now time.Time) (wants []plan.Want, waiting map[schema.GroupResource][]metric.Identifier) {
	atOnce, cancel := context.WithCancel(ctx)
	cancel()
	waiting = map[schema.GroupResource][]metric.Identifier{}
	for _, id := range ids {
		w, err := e.resolve(atOnce, id)
		switch {
		case err == nil:
			wants = append(wants, w)
			if id.API.OfObjects() {
				e.setStuck(id.Resource, false)
			}
		case errors.Is(err, errElsewhere):
		case metric.ReasonOf(err) == metric.ObjectsUnknown && !e.isStuck(id.Resource):
			waiting[id.Resource] = append(waiting[id.Resource], id)
		default:
			e.opts.Store.Fail(id, now, err)
		}
	}
	return wants, waiting
}

// resolveWaiting resolves identifiers of one kind, and waits for its list until the
// time of one query has passed.
func (e *Evaluator) resolveWaiting(ctx context.Context, kind schema.GroupResource, ids []metric.Identifier, now time.Time) (wants []plan.Want) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	for _, id := range ids {
		w, err := e.resolve(ctx, id)
		if err == nil {
			wants = append(wants, w)
			continue
		}
		if errors.Is(err, errElsewhere) {
			continue
		}
		e.opts.Store.Fail(id, now, err)
		if metric.ReasonOf(err) == metric.ObjectsUnknown && ctx.Err() != nil {
			e.setStuck(kind, true)
		}
	}
	return wants
}

func (e *Evaluator) isStuck(kind schema.GroupResource) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stuck[kind]
}

func (e *Evaluator) setStuck(kind schema.GroupResource, stuck bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stuck {
		e.stuck[kind] = true
	} else {
		delete(e.stuck, kind)
	}
}

// resolve joins an identifier with its rule and its live objects. For one that no rule gives
// it has the source asked for series again.
func (e *Evaluator) resolve(ctx context.Context, id metric.Identifier) (plan.Want, error) {
	return e.find(ctx, id, e.opts.Catalog.Wake)
}

// find is resolve, which calls missing where no rule gives the metric.
func (e *Evaluator) find(ctx context.Context, id metric.Identifier, missing func()) (plan.Want, error) {
	w := plan.Want{ID: id}
	q, isQuery, err := e.queryOf(id)
	if err != nil {
		return w, err
	}
	entry, ok := e.opts.Catalog.Of(id)
	switch {
	case isQuery:
		w.Rule = q
	case !ok && e.opts.Name != "", ok && entry.Rule.Source() != e.opts.Name:
		return w, errElsewhere // what no rule gives is of the source without a name
	case ok:
		w.Rule, w.Series = entry.Rule, entry.Series
	case id.API == metric.Resource: // it depends on no series
		return w, catalog.NoUsage(id)
	default:
		missing()
		return w, metric.Errorf(metric.Undefined, "no rule gives a metric %q from a series that the source holds", id.Metric)
	}
	if w.MetricSelector, err = labels.Parse(id.MetricSelector); err != nil {
		return w, metric.Because(metric.Invalid, err, "metric selector")
	}
	switch {
	case !id.API.OfObjects():
	case id.Name == "":
		selector, err := labels.Parse(id.Selector)
		if err != nil {
			return w, metric.Because(metric.Invalid, err, "selector")
		}
		if w.Names, err = e.opts.Objects.Names(ctx, id.Resource, id.Namespace, selector, id.Selector); err != nil {
			return w, err
		}
		w.Elements = elements(len(w.Names), e.opts.Store.Get(id))
	default:
		// Asked here and not by the reader alone, so that the list is there before the
		// first read and stays while nobody reads from this replica.
		live, err := e.opts.Objects.Has(ctx, id.Resource, id.Namespace, id.Name)
		if err != nil {
			return w, err
		}
		if live {
			w.Names = []string{id.Name}
		}
	}
	return w, nil
}
