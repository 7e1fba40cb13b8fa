package eval

import (
	"context"
	"errors"
	"slices"
	"sync"

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

// outcome is what an evaluation tells of the source.
type outcome struct {
	Result
	asks   bool // there are queries, if only such as were under way already
	proven bool // one of them is proven
}

// evaluation is one that goes on.
type evaluation struct {
	wg      sync.WaitGroup // queries and lists that are waited for
	telling sync.WaitGroup // of these, the lists, and the queries that are proven
	stop    func() bool    // watching the context

	mu     sync.Mutex
	result outcome
}

// wait returns when all has ended.
func (v *evaluation) wait() Result {
	v.wg.Wait()
	v.stop()
	return v.soFar().Result
}

// told returns when what is proven has ended or, if nothing is, all.
func (v *evaluation) told() outcome {
	v.telling.Wait()
	if o := v.soFar(); o.proven {
		return o
	}
	v.wg.Wait()
	return v.soFar()
}

func (v *evaluation) soFar() outcome {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.result
}

// has notes that there are queries, and whether one of them is proven.
func (v *evaluation) has(proven bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.asks = true
	v.result.proven = v.result.proven || proven
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
			each, _ := e.histories(q)
			e.skip(ctx, q, each, &notSent{away})
			v.count(&notSent{away})
		}
		return
	}
	e.dispatcher.add(e.jobs(ctx, v, queries, m))
	if ctx.Err() != nil { // it may have ended before they were there to be cancelled
		e.dispatcher.cancel()
	}
}

// jobs makes the jobs of queries, for v.
func (e *Evaluator) jobs(ctx context.Context, v *evaluation, queries []plan.Query, m mode) []*job {
	now := e.opts.Now()
	each, all := make([][]history, len(queries)), make([]history, len(queries))
	for i, q := range queries {
		each[i], all[i] = e.histories(q)
	}
	if e.Outage() != nil {
		trust(all)
	}
	jobs := make([]*job, len(queries))
	for i, q := range queries {
		telling := all[i].record == proven
		v.wg.Add(1)
		if telling {
			v.telling.Add(1)
		}
		v.has(telling)
		jobs[i] = &job{
			ctx: ctx, query: q, flow: e.flow(q, m), record: all[i].record, queued: now, since: all[i].since,
			done: func(err error) {
				defer v.wg.Done()
				if telling {
					defer v.telling.Done()
				}
				e.skip(ctx, q, each[i], err)
				v.count(err)
			},
		}
	}
	slices.SortStableFunc(jobs, func(a, b *job) int { return a.since.Compare(b.since) }) // quick to add
	return jobs
}

// flow is that of the first metric of q that an HPA references, if there is one. A query
// that several namespaces share is of none of them.
func (e *Evaluator) flow(q plan.Query, m mode) flow {
	i := slices.IndexFunc(q.For, e.opts.Demand.Referenced)
	f := flow{referenced: i >= 0, namespace: q.For[max(i, 0)].Namespace, first: m.first}
	if q.Shared() && slices.ContainsFunc(q.For, func(id metric.Identifier) bool { return id.Namespace != f.namespace }) {
		f.namespace = ""
	}
	return f
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

// skip records that q was not sent, where err says so, with the histories from when it
// was queued. That is no attempt: what is known of an unanswered query stays known, as
// does what came since, and where only slots are lacking, so does the last value, whose
// age says enough.
func (e *Evaluator) skip(ctx context.Context, q plan.Query, before []history, err error) {
	busy := errors.As(err, new(*overloaded))
	if !busy && !errors.As(err, new(*notSent)) {
		return
	}
	i := 0
	for _, p := range q.Parts {
		typed := failure(q.Rule, p.PromQL, err) // its own, for that of all names others' namespaces
		for _, id := range p.For {
			b := before[i] // in the order of q.For
			i++
			if s := e.opts.Store.Get(id); b.record == suspect || busy && s != nil && s.Data != nil {
				continue
			}
			e.lacks(ctx, id, b.since, typed)
		}
	}
}

// failure is why the metrics of q have no new value. An answer that is beyond our
// limits or no numbers comes again with the next query, so no earlier value bridges it.
func failure(rule, promQL string, err error) error {
	reason := metric.SourceFailed
	switch source.KindOf(err) {
	case source.Oversized:
		reason = metric.LimitReached
	case source.Unusable:
		reason = metric.RuleFailed
	}
	return metric.Because(reason, err, "%s: query %s", rule, clip(promQL, 300))
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
