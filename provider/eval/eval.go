// Package eval evaluates what is wanted, in the background and at an interval,
// so that no reader waits for the source.
package eval

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

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
	Source  Source
	Catalog Catalog
	Objects Objects
	Mapper  rule.Mapper
	Demand  Demand
	Store   *store.Store
	Metrics *Metrics

	Interval    time.Duration // between evaluations of everything wanted
	Timeout     time.Duration // deadline of one query
	Concurrency int           // queries under way at once
	MaxValues   int           // held in all, at most; 0 for no bound
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
	opts   Options
	health atomic.Pointer[health]
	beat   atomic.Int64 // unix nanoseconds of the newest sign of life of Run

	slots chan struct{} // one for each query under way, whoever sent it

	mu      sync.Mutex
	pending map[metric.Identifier]bool    // to be evaluated soon
	running map[metric.Identifier]bool    // being evaluated because of Soon
	stuck   map[schema.GroupResource]bool // kinds whose list hung when it was waited for
	wake    chan struct{}
}

// New returns an evaluator that does nothing until Run or Evaluate.
func New(o Options) *Evaluator {
	e := &Evaluator{
		opts: o, slots: make(chan struct{}, o.Concurrency), wake: make(chan struct{}, 1),
		pending: map[metric.Identifier]bool{}, running: map[metric.Identifier]bool{},
		stuck: map[schema.GroupResource]bool{},
	}
	e.health.Store(&health{})
	e.beat.Store(o.Now().UnixNano())
	return e
}

// Soon evaluates ids without waiting for the next interval, unless that is under
// way already. It does not block.
func (e *Evaluator) Soon(ids ...metric.Identifier) {
	e.mu.Lock()
	for _, id := range ids {
		if !e.running[id] {
			e.pending[id] = true
		}
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Beat is when Run last showed that it is alive.
func (e *Evaluator) Beat() time.Time { return time.Unix(0, e.beat.Load()) }

// Run evaluates until ctx ends, and returns when all it started has ended.
func (e *Evaluator) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { e.runSoon(ctx, &wg) })
	ticker := time.NewTicker(e.opts.Interval)
	defer ticker.Stop()
	// A pass over thousands of queries of a slow source takes minutes and is alive
	// all the same, so every query begun is a sign of life.
	alive := func() { e.beat.Store(e.opts.Now().UnixNano()) }
	for {
		alive()
		e.opts.Demand.Expire(e.opts.Now())
		e.opts.Store.Retain(e.opts.Demand.Has)
		e.observe(e.evaluate(ctx, e.opts.Demand.Wanted(), alive))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// runSoon gathers what becomes pending at about the same time, so that equal
// reads share a query from the start, and evaluates each gathering at once.
func (e *Evaluator) runSoon(ctx context.Context, wg *sync.WaitGroup) {
	const gather = 5 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gather):
		}
		ids := e.takePending()
		if len(ids) == 0 {
			continue
		}
		wg.Go(func() {
			e.Evaluate(ctx, ids)
			e.mu.Lock()
			defer e.mu.Unlock()
			for _, id := range ids {
				delete(e.running, id)
			}
		})
	}
}

func (e *Evaluator) takePending() []metric.Identifier {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := make([]metric.Identifier, 0, len(e.pending))
	for id := range e.pending {
		ids = append(ids, id)
		e.running[id] = true
	}
	e.pending = map[metric.Identifier]bool{}
	return ids
}

// Result sums up one evaluation.
type Result struct {
	Answered    int   // queries that the source answered, with an error or a value
	Unreachable int   // queries that it did not answer, or that were not sent because of that
	Err         error // of one that it did not answer
}

func (r *Result) add(other Result) {
	r.Answered += other.Answered
	r.Unreachable += other.Unreachable
	if r.Err == nil {
		r.Err = other.Err
	}
}

// Evaluate evaluates ids once and stores what it finds.
func (e *Evaluator) Evaluate(ctx context.Context, ids []metric.Identifier) Result {
	return e.evaluate(ctx, ids, func() {})
}

func (e *Evaluator) evaluate(ctx context.Context, ids []metric.Identifier, progress func()) Result {
	now := e.opts.Now()
	wants, waiting := e.resolveKnown(ctx, ids, now)
	var wg sync.WaitGroup
	late := make(chan Result, len(waiting))
	for kind, ids := range waiting {
		wg.Go(func() { late <- e.answer(ctx, e.resolveWaiting(ctx, kind, ids, now), now, progress) })
	}
	result := e.answer(ctx, wants, now, progress)
	wg.Wait()
	close(late)
	for r := range late {
		result.add(r)
	}
	return result
}

// answer plans and sends the queries of wants.
func (e *Evaluator) answer(ctx context.Context, wants []plan.Want, now time.Time, progress func()) Result {
	wants, refused := e.admit(wants)
	for id, err := range refused {
		e.opts.Store.Fail(id, now, err)
	}
	p := plan.Make(wants, e.opts.Mapper)
	for id, err := range p.Failed {
		e.opts.Store.Fail(id, now, err)
	}
	e.opts.Store.Share(p.Empty, &store.Data{Evaluated: now})
	return e.run(ctx, p.Queries, progress)
}

// query sends one query and stores what it gives.
func (e *Evaluator) query(ctx context.Context, q plan.Query) error {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return &source.Error{Kind: source.Canceled, Text: "it was not asked", Err: ctx.Err()}
	}
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	began := e.opts.Now()
	answer, err := e.opts.Source.Query(ctx, q.PromQL)
	e.opts.Metrics.query(q.Rule, err, e.opts.Now().Sub(began), len(answer.Warnings))
	if err != nil {
		typed := failure(q, err)
		for _, id := range q.For {
			e.opts.Store.Fail(id, began, typed)
		}
		return err
	}
	data, err := join(answer, q, q.For[0].API, began)
	whole := make([]metric.Identifier, 0, len(q.For))
	for _, id := range q.For {
		problem := err
		if problem == nil {
			problem = partial(e.opts.Store.Get(id), data, q, e.opts.Lookback)
		}
		if problem != nil {
			e.opts.Store.Fail(id, began, problem)
		} else {
			whole = append(whole, id)
		}
	}
	e.opts.Store.Share(whole, data)
	return nil
}
