// Package eval evaluates what is wanted, in the background and at an interval,
// so that no reader waits for the source.
package eval

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// Source answers instant queries.
type Source interface {
	Query(ctx context.Context, promQL string) (source.Answer, error)
}

// Demand says what is wanted.
type Demand interface {
	Wanted() []metric.Identifier
	Has(metric.Identifier) bool
	Referenced(metric.Identifier) bool
	Expire(now time.Time) []metric.Identifier
}

// Options of an Evaluator.
type Options struct {
	// Name is that by which rules name the source; empty for those that name none. Rules of
	// others are not evaluated.
	Name    string
	Source  Source // nil: there is none, and nothing to evaluate but what fails
	Catalog Catalog
	Queries Queries // asked before the catalog; nil: there are none
	Objects Objects
	Mapper  rule.Mapper
	// Generation is another number once Mapper may answer differently; nil: it never does.
	Generation func() uint64
	Demand     Demand
	Store      *store.Store
	Metrics    *Metrics

	Interval time.Duration // between evaluations of everything wanted
	// Fresh: what was evaluated so recently, as by Soon, is left out then; 0 leaves out nothing.
	Fresh       time.Duration
	Timeout     time.Duration // deadline of one query
	Concurrency int           // queries under way at once
	MaxValues   int           // held in all, at most; 0 for no bound
	MaxAnswer   int           // values of one answer, at most; 0 for no bound
	Share       int           // reads that are asked together at most; 0 for plan's own limit, 1 for each by itself
	// Lookback is how old a sample behind an instant selector may be; 0 if the
	// source decides.
	Lookback time.Duration
	// Discovered says how the newest discovery of series went: done is false before
	// the first, err is set where no rule got its series.
	Discovered func() (done bool, err error)
	Now        func() time.Time
}

// Evaluator runs evaluations. See New.
type Evaluator struct {
	opts       Options
	dispatcher *dispatcher
	// When Run last looked at what is wanted, and when a query ended last or there was
	// none to wait for.
	looked, worked atomic.Pointer[time.Time]

	mu      sync.Mutex
	pending map[metric.Identifier]bool    // to be evaluated soon
	stuck   map[schema.GroupResource]bool // kinds whose list hung when it was waited for
	wake    chan struct{}
	sharing *sharing
	changes *changes
	planner *plan.Planner
	probes  atomic.Uint32 // so far, of answersOne
}

// New returns an evaluator that does nothing until Run or Evaluate.
func New(o Options) *Evaluator {
	if o.Source == nil {
		o.Source = nowhere{}
	}
	e := &Evaluator{
		opts: o, wake: make(chan struct{}, 1),
		pending: map[metric.Identifier]bool{}, stuck: map[schema.GroupResource]bool{},
		sharing: newSharing(), changes: newChanges(), planner: plan.NewPlanner(o.Mapper, o.Generation),
	}
	e.dispatcher = newDispatcher(o.Concurrency, e.query, func() { now := o.Now(); e.worked.Store(&now) })
	now := o.Now()
	e.looked.Store(&now)
	e.worked.Store(&now)
	return e
}

// Evaluate evaluates ids once and stores what it finds.
func (e *Evaluator) Evaluate(ctx context.Context, ids []metric.Identifier) Result {
	return e.begin(ctx, ids, mode{again: true}).wait()
}

// mode is how an evaluation treats its queries.
type mode struct {
	again bool // also what is under way already
	first bool // somebody waits, and would rather know at once that the source is away
}

// begin resolves and plans what is wanted, and queues the queries.
func (e *Evaluator) begin(ctx context.Context, ids []metric.Identifier, m mode) *evaluation {
	v := &evaluation{stop: context.AfterFunc(ctx, e.dispatcher.cancel)}
	ctx = e.changes.planning(ctx)
	now := e.opts.Now()
	wants, waiting := e.resolveKnown(ctx, ids, now)
	for kind, ids := range waiting {
		v.telling.Add(1)
		v.wg.Go(func() {
			defer v.telling.Done()
			e.answer(ctx, v, e.resolveWaiting(ctx, kind, ids, now), now, m)
		})
	}
	e.answer(ctx, v, wants, now, m)
	return v
}

// answer plans and queues the queries of wants.
func (e *Evaluator) answer(ctx context.Context, v *evaluation, wants []plan.Want, now time.Time, m mode) {
	wants, refused := e.admit(wants)
	for id, err := range refused {
		e.opts.Store.Fail(id, now, err)
	}
	if !m.again { // only now, so that what is under way counts for what is admitted
		for _, w := range wants {
			if e.opts.Demand.Referenced(w.ID) {
				e.dispatcher.dropRead(w.ID)
			}
		}
		before := len(wants)
		wants = slices.DeleteFunc(wants, func(w plan.Want) bool {
			return !e.changes.isDue(w.ID) && e.dispatcher.has(w.ID, e.opts.Demand.Referenced(w.ID))
		})
		if len(wants) < before {
			v.has(false)
		}
	}
	for _, w := range wants {
		e.changes.plans(ctx, w.ID)
	}
	p := e.plan(wants)
	for id, err := range p.Failed {
		e.opts.Store.Fail(id, now, err)
	}
	e.opts.Store.Share(p.Empty, &store.Data{Evaluated: now})
	e.run(ctx, v, p.Queries, m)
}

// query sends one query and stores what it gives. The error tells of the source: of a query
// that is too much for a source that answers there is none.
func (e *Evaluator) query(ctx context.Context, q plan.Query) error {
	replaced := &source.Error{Kind: source.Canceled, Text: "its rule is another one by now"}
	switch {
	case ctx.Err() != nil:
		return &source.Error{Kind: source.Canceled, Text: "it was not asked", Err: ctx.Err()}
	case e.changes.anyOutdated(ctx, q.For):
		return replaced
	}
	heard := e.dispatcher.state().answers
	began, err := e.answered(ctx, q)
	switch {
	case err == nil, source.KindOf(err) == source.Canceled:
		return err
	case e.changes.anyOutdated(ctx, q.For) && !source.Unanswered(err):
		return replaced
	}
	return e.failed(ctx, q, began, err, e.dispatcher.state().answers > heard)
}

// answered asks a query, and stores its answer. It returns when it was sent, and why there
// is no answer.
func (e *Evaluator) answered(ctx context.Context, q plan.Query) (time.Time, error) {
	began := e.opts.Now()
	data, errs, err := e.ask(ctx, q, began)
	if err != nil {
		return began, err
	}
	covers := e.covering(ctx, q)
	for i := range q.Parts {
		if errors.Is(errs[i], errUnsure) {
			e.sharing.set(q.Parts[i].For, 1, began.Add(sharingMemory))
		}
		if data[i] != nil {
			data[i].Source = e.opts.Name
		}
		e.keep(ctx, &q.Parts[i], began, data[i], errs[i], covers)
	}
	return began, nil
}

// keep stores what a query gave for one of its parts.
func (e *Evaluator) keep(ctx context.Context, p *plan.Part, began time.Time, data *store.Data, err error, covers covering) {
	whole := make([]metric.Identifier, 0, len(p.For))
	for _, id := range p.For {
		problem := err
		if problem == nil {
			problem = e.distrust(id, p, data, covers)
		}
		if problem != nil {
			e.lacks(ctx, id, began, problem)
		} else {
			whole = append(whole, id)
		}
	}
	e.changes.current(ctx, whole, func(ids []metric.Identifier) { e.opts.Store.Share(ids, data) })
}

// lacks stores why a query gave a metric no value.
func (e *Evaluator) lacks(ctx context.Context, id metric.Identifier, began time.Time, why error) {
	e.changes.current(ctx, []metric.Identifier{id}, func([]metric.Identifier) { e.opts.Store.Fail(id, began, why) })
}

// fail stores why a query gave nothing.
func (e *Evaluator) fail(ctx context.Context, q plan.Query, began time.Time, err error) {
	if q.Shared() {
		klog.Background().V(1).Info("No answer for reads that are asked together", "source", e.opts.Name, "rule", q.Rule, "reads", len(q.Parts), "query", clip(q.PromQL, 1000), "err", err)
		err = ofMany(err)
	}
	for i := range q.Parts {
		typed := failure(q.Rule, q.Parts[i].PromQL, err)
		for _, id := range q.Parts[i].For {
			e.lacks(ctx, id, began, typed)
		}
	}
}
