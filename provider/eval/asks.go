package eval

import (
	"context"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
)

// Asked is what a source is asked for one metric, if for no other.
type Asked struct {
	// PromQL is empty where Err is set, and where there is no live object to ask about.
	PromQL string
	// Objects is how many live ones it is about; 0 for external metrics.
	Objects int
	// Alone is why it is asked together with no other reads but equal ones; empty if it can be.
	Alone string
	// Interval is the time between two evaluations; 0 where nobody evaluates it.
	Interval time.Duration
	// Err is why it has no query.
	Err error
}

// Asks says what is asked for a metric. It goes by what is known: it asks the source nothing,
// and waits for nothing. It is meant for what is wanted, of which the query is remembered.
func (e *Evaluator) Asks(ctx context.Context, id metric.Identifier) Asked {
	atOnce, cancel := context.WithCancel(ctx)
	cancel()
	a := Asked{Interval: e.opts.Interval}
	w, err := e.find(atOnce, id, func() {})
	if err != nil {
		a.Err = err
		return a
	}
	a.Objects = len(w.Names)
	p := e.planner.Plan([]plan.Want{w}, e.limits())
	if a.Err = p.Failed[id]; a.Err != nil || len(p.Queries) == 0 {
		return a
	}
	q := &p.Queries[0]
	a.PromQL = q.PromQL
	switch {
	case q.Alone != nil:
		a.Alone = q.Alone.Error()
	case e.opts.Share == 1:
		a.Alone = "--share-queries=false"
	case e.sharing.of(id) == 1:
		a.Alone = "it was at fault, or may have been, where a query of several reads had no answer; it is tried with others again after " + sharingMemory.String() + " at most"
	}
	return a
}
