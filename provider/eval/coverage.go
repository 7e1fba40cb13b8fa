package eval

import (
	"context"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// coverage is what the source says about the samples behind an answer after an outage.
type coverage int

const (
	unknown   coverage = iota // it does not say, or there is less than before
	covered                   // what there was before the outage: it scraped all the time, or has caught up
	forgotten                 // it knows nothing of the time before, when it had answered
)

// enough is the part of the samples that has to be there. What a rate or a sum can
// lack then is within the tolerance in which the HPA controller does nothing
// (--horizontal-pod-autoscaler-tolerance, 0.1).
const enough = 0.9

// truster returns what says why data cannot be served yet as the value of one of q's
// metrics. It asks the source where that depends on it, once for all that were
// answered last at the same time.
func (e *Evaluator) truster(ctx context.Context, q plan.Query, data *store.Data) func(metric.Identifier) error {
	asked := map[time.Duration]coverage{}
	return func(id metric.Identifier) error {
		d := doubtOf(e.opts.Store.Get(id), data, q, e.opts.Lookback)
		if !d.depends() {
			return d.verdict(unknown)
		}
		c, known := asked[d.ago]
		if !known {
			c = e.coverage(ctx, q, d.ago)
			asked[d.ago] = c
		}
		return d.verdict(c)
	}
}

// coverage asks the source how its samples cover q, compared with that long ago.
func (e *Evaluator) coverage(ctx context.Context, q plan.Query, ago time.Duration) coverage {
	asked, err := rule.CoverageOf(q.PromQL, ago)
	if err != nil {
		return unknown
	}
	began := e.opts.Now()
	answer, err := e.opts.Source.Query(ctx, asked.PromQL)
	e.opts.Metrics.query(q.Rule, err, e.opts.Now().Sub(began), len(answer.Warnings))
	if err != nil {
		return unknown
	}
	return judge(answer, asked.Selectors)
}

// judge reads the answer to a rule.Coverage. A source that leaves out what failed says
// so in a warning, and then says nothing by what is not there.
func judge(answer source.Answer, selectors int) coverage {
	switch {
	case len(answer.Warnings) > 0:
		return unknown
	case len(answer.Samples) == 0:
		return forgotten
	case len(answer.Samples) < selectors:
		return unknown
	}
	for _, s := range answer.Samples {
		if !(s.Value >= enough) { // nor NaN
			return unknown
		}
	}
	return covered
}
