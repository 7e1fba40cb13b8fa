package eval

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

// Result sums up one evaluation.
type Result struct {
	Answered    int   // queries that the source answered, with an error or a value
	Unreachable int   // queries that it did not answer, or that were not sent because of that
	Err         error // of one that it did not answer
}

// evaluation is one that goes on.
type evaluation struct {
	wg   sync.WaitGroup // queries and lists that are waited for
	stop func() bool    // watching the context

	mu     sync.Mutex
	result Result
}

// wait returns when all has ended.
func (v *evaluation) wait() Result {
	v.wg.Wait()
	v.stop()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.result
}

func (v *evaluation) count(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case source.Unanswered(err):
		v.result.Unreachable++
		if !errors.As(err, new(*notSent)) || v.result.Err == nil {
			v.result.Err = err
		}
	case source.KindOf(err) == source.Canceled, errors.As(err, new(*overloaded)): // by us, which says nothing about the source
	default:
		v.result.Answered++
	}
}

// run queues queries for v.
func (e *Evaluator) run(ctx context.Context, v *evaluation, queries []plan.Query, m mode) {
	if away := e.Outage(); away != nil && m.first {
		for _, q := range queries {
			e.skip(q, &notSent{away})
			v.count(&notSent{away})
		}
		return
	}
	now := e.opts.Now()
	jobs := make([]*job, len(queries))
	for i, q := range queries {
		v.wg.Add(1)
		w := e.waiting(q)
		jobs[i] = &job{
			ctx: ctx, query: q, flow: e.flow(q, m), queued: now, since: w.since, suspect: w.unanswered,
			done: func(err error) {
				defer v.wg.Done()
				e.skip(q, err)
				v.count(err)
			},
		}
	}
	slices.SortStableFunc(jobs, func(a, b *job) int { return a.since.Compare(b.since) }) // quick to add
	e.dispatcher.add(jobs)
}

// flow is that of the first metric of q that an HPA references, if there is one.
func (e *Evaluator) flow(q plan.Query, m mode) flow {
	for _, id := range q.For {
		if e.opts.Demand.Referenced(id) {
			return flow{referenced: true, namespace: id.Namespace, first: m.first}
		}
	}
	return flow{namespace: q.For[0].Namespace, first: m.first}
}

// wait is how a query fared the last time.
type wait struct {
	since      time.Time // zero if it was never sent
	unanswered bool
}

func (e *Evaluator) waiting(q plan.Query) wait {
	s := e.opts.Store.Get(q.For[0])
	if s == nil {
		return wait{}
	}
	return wait{since: s.Attempted, unanswered: source.Unanswered(s.Err) && !errors.As(s.Err, new(*notSent))}
}

// notSent is why a query was not even sent.
type notSent struct{ cause error }

func (n *notSent) Error() string {
	return "not sent, because the source left other queries unanswered: " + n.cause.Error()
}

func (n *notSent) Unwrap() error { return n.cause }

// overloaded is why a query was not sent although the source answers.
type overloaded struct{}

func (*overloaded) Error() string {
	return "not sent within " + maxWait.String() + ", because too many or too slow queries are before it: make them quicker, or raise --query-concurrency"
}

// skip records that q was not sent, where err says so. That is no attempt: what is
// known of an unanswered query stays known, and where only slots are lacking, so does
// the last value, whose age says enough.
func (e *Evaluator) skip(q plan.Query, err error) {
	w := e.waiting(q)
	busy := errors.As(err, new(*overloaded))
	if !busy && !errors.As(err, new(*notSent)) || w.unanswered {
		return
	}
	typed := failure(q, err)
	for _, id := range q.For {
		if s := e.opts.Store.Get(id); busy && s != nil && s.Data != nil {
			continue
		}
		e.opts.Store.Fail(id, w.since, typed)
	}
}

// failure is why the metrics of q have no new value. An answer that is beyond our
// limits or no numbers comes again with the next query, so no earlier value bridges it.
func failure(q plan.Query, err error) error {
	reason := metric.SourceFailed
	switch source.KindOf(err) {
	case source.Oversized:
		reason = metric.LimitReached
	case source.Unusable:
		reason = metric.RuleFailed
	}
	return metric.Because(reason, err, "%s: query %s", q.Rule, clip(q.PromQL, 300))
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
