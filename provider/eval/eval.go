// Package eval evaluates what is wanted, in the background and at an interval,
// so that no reader waits for the source.
package eval

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	Now         func() time.Time
}

// Evaluator runs evaluations. See New.
type Evaluator struct {
	opts Options
	down atomic.Pointer[outage]
	beat atomic.Int64 // unix nanoseconds of the newest sign of life of Run

	mu      sync.Mutex
	pending map[metric.Identifier]bool
	wake    chan struct{}
}

type outage struct{ err error }

// New returns an evaluator that does nothing until Run or Evaluate.
func New(o Options) *Evaluator {
	e := &Evaluator{opts: o, pending: map[metric.Identifier]bool{}, wake: make(chan struct{}, 1)}
	e.beat.Store(o.Now().UnixNano())
	return e
}

// Soon evaluates id without waiting for the next interval. It does not block.
func (e *Evaluator) Soon(ids ...metric.Identifier) {
	e.mu.Lock()
	for _, id := range ids {
		e.pending[id] = true
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Outage returns why the source counts as away: in the newest evaluation of
// everything, no query got an answer. Nil while it answers.
func (e *Evaluator) Outage() error {
	if o := e.down.Load(); o != nil {
		return o.err
	}
	return nil
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
	for {
		e.beat.Store(e.opts.Now().UnixNano())
		e.opts.Demand.Expire(e.opts.Now())
		e.opts.Store.Retain(e.opts.Demand.Has)
		e.observe(e.Evaluate(ctx, e.opts.Demand.Wanted()))
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
		e.mu.Lock()
		ids := make([]metric.Identifier, 0, len(e.pending))
		for id := range e.pending {
			ids = append(ids, id)
		}
		e.pending = map[metric.Identifier]bool{}
		e.mu.Unlock()
		wg.Go(func() { e.Evaluate(ctx, ids) })
	}
}

// observe notes from an evaluation of everything whether the source is away.
func (e *Evaluator) observe(r Result) {
	switch {
	case r.Answered > 0 || r.Unreachable == 0:
		e.down.Store(nil)
	default:
		e.down.Store(&outage{r.Err})
	}
}

// Result sums up one evaluation.
type Result struct {
	Answered    int   // queries that the source answered, with an error or a value
	Unreachable int   // queries that it did not answer, or that were not sent because of that
	Err         error // of one that it did not answer
}

// Evaluate evaluates ids once and stores what it finds.
func (e *Evaluator) Evaluate(ctx context.Context, ids []metric.Identifier) Result {
	now := e.opts.Now()
	var wants []plan.Want
	for _, id := range ids {
		resolveCtx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
		w, err := e.resolve(resolveCtx, id)
		cancel()
		if err != nil {
			e.opts.Store.Fail(id, now, err)
			continue
		}
		wants = append(wants, w)
	}
	p := plan.Make(wants, e.opts.Mapper)
	for id, err := range p.Failed {
		e.opts.Store.Fail(id, now, err)
	}
	for _, id := range p.Empty {
		e.opts.Store.Succeed(id, &store.Data{Evaluated: now})
	}
	return e.run(ctx, p.Queries)
}

// run sends the queries. The one that has waited longest goes first. A source
// that leaves every slot unanswered in a row is away: the rest fails at once,
// or a hung source would hold this evaluation for a deadline a query.
func (e *Evaluator) run(ctx context.Context, queries []plan.Query) Result {
	slices.SortStableFunc(queries, func(a, b plan.Query) int { return e.attempted(a).Compare(e.attempted(b)) })
	var (
		mu     sync.Mutex
		result Result
		streak int
		wg     sync.WaitGroup
	)
	slots := make(chan struct{}, e.opts.Concurrency)
	for _, q := range queries {
		slots <- struct{}{}
		mu.Lock()
		away, cause := streak >= e.opts.Concurrency, result.Err
		if away {
			result.Unreachable++
		}
		mu.Unlock()
		if away {
			e.failed(q, e.opts.Now(), cause)
			<-slots
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			err := e.query(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if unreachable(err) {
				streak++
				result.Unreachable++
				result.Err = err
			} else {
				streak = 0
				result.Answered++
			}
		})
	}
	wg.Wait()
	return result
}

func (e *Evaluator) attempted(q plan.Query) time.Time {
	if s := e.opts.Store.Get(q.For[0]); s != nil {
		return s.Attempted
	}
	return time.Time{}
}

// query sends one query and stores what it gives.
func (e *Evaluator) query(ctx context.Context, q plan.Query) error {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	began := e.opts.Now()
	answer, err := e.opts.Source.Query(ctx, q.PromQL)
	e.opts.Metrics.query(q.Rule, err, e.opts.Now().Sub(began), len(answer.Warnings))
	if err != nil {
		e.failed(q, began, err)
		return err
	}
	data, err := join(answer, q, q.For[0].API, began)
	for _, id := range q.For {
		if err != nil {
			e.opts.Store.Fail(id, began, err)
		} else {
			e.opts.Store.Succeed(id, data)
		}
	}
	return nil
}

func (e *Evaluator) failed(q plan.Query, at time.Time, err error) {
	typed := metric.Because(metric.SourceFailed, err, "%s: query %s", q.Rule, clip(q.PromQL, 300))
	for _, id := range q.For {
		e.opts.Store.Fail(id, at, typed)
	}
}

// unreachable says whether err means that the source did not answer at all.
func unreachable(err error) bool {
	switch source.KindOf(err) {
	case source.Timeout, source.Unavailable, source.Malformed:
		return true
	}
	return false
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
