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

// run sends the queries. When the source turns out to be away, the rest fails at
// once. So the order matters: what was left unanswered last time goes last, or a
// few queries that always time out would keep the others from being sent for
// good; otherwise the one that has waited longest goes first.
func (e *Evaluator) run(ctx context.Context, queries []plan.Query, progress func()) Result {
	slices.SortStableFunc(queries, func(a, b plan.Query) int {
		x, y := e.waiting(a), e.waiting(b)
		if x.unanswered != y.unanswered {
			if x.unanswered {
				return 1
			}
			return -1
		}
		return x.since.Compare(y.since)
	})
	r := newRound(e.opts.Concurrency)
	var wg sync.WaitGroup
	for i, q := range queries {
		progress()
		if cause := r.begin(); cause != nil {
			e.skip(queries[i:], cause)
			r.result.Unreachable += len(queries) - i // nothing is under way any more
			break
		}
		wg.Go(func() { r.end(e.query(ctx, q)) })
	}
	wg.Wait()
	return r.result
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
	var n *notSent
	return wait{since: s.Attempted, unanswered: source.Unanswered(s.Err) && !errors.As(s.Err, &n)}
}

// notSent is why a query was not even sent.
type notSent struct{ cause error }

func (n *notSent) Error() string {
	return "not sent, because the source left other queries unanswered: " + n.cause.Error()
}

func (n *notSent) Unwrap() error { return n.cause }

// skip records that queries were not sent. That is no attempt, and what is known
// of an unanswered query stays known.
func (e *Evaluator) skip(queries []plan.Query, cause error) {
	for _, q := range queries {
		w := e.waiting(q)
		if w.unanswered {
			continue
		}
		typed := failure(q, &notSent{cause})
		for _, id := range q.For {
			e.opts.Store.Fail(id, w.since, typed)
		}
	}
}

// round hands out the slots of one evaluation. A query that the source leaves
// unanswered keeps its slot until another one is answered: a hung source costs
// one deadline, however many queries there are.
type round struct {
	slots int

	mu       sync.Mutex
	changed  sync.Cond
	underWay int
	lost     int // unanswered queries since the newest answer
	result   Result
}

func newRound(slots int) *round {
	r := &round{slots: slots}
	r.changed.L = &r.mu
	return r
}

// begin waits for a slot. It returns why there will be none: the source left
// every slot unanswered, and nothing is under way.
func (r *round) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.lost < r.slots && r.underWay+r.lost >= r.slots {
		r.changed.Wait()
	}
	if r.lost >= r.slots {
		return r.result.Err
	}
	r.underWay++
	return nil
}

// end gives the slot of a query back that ended with err.
func (r *round) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay--
	switch {
	case source.Unanswered(err):
		r.lost++
		r.result.Unreachable++
		r.result.Err = err
	case source.KindOf(err) == source.Canceled: // by us, which says nothing about the source
	default:
		r.lost = 0
		r.result.Answered++
	}
	r.changed.Signal()
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
