package eval

import (
	"context"
	"slices"
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

// covering says how the source's samples cover a part of a query, compared with that long
// ago. It asks the source once for times of about the same evaluation.
type covering func(p *plan.Part, ago time.Duration) coverage

// distrust says why data cannot be served yet as the value of a metric; nil if it can.
func (e *Evaluator) distrust(id metric.Identifier, p *plan.Part, data *store.Data, covers covering) error {
	d := doubtOf(e.opts.Store.Get(id), data, p, e.opts.Lookback)
	if !d.depends() {
		return d.verdict(unknown)
	}
	return d.verdict(covers(p, d.ago))
}

func (e *Evaluator) covering(ctx context.Context, q plan.Query) covering {
	type said struct {
		ago  time.Duration
		says func(*plan.Part) coverage
	}
	var asked []said
	return func(p *plan.Part, ago time.Duration) coverage {
		// Parts that were answered by one query were answered at the same time, and those that
		// had queries of their own within an interval: the source answered at either time.
		i := slices.IndexFunc(asked, func(s said) bool { return (s.ago - ago).Abs() <= e.opts.Interval })
		if i < 0 {
			i, asked = len(asked), append(asked, said{ago, e.coverage(ctx, q, ago)})
		}
		return asked[i].says(p)
	}
}

// coverage asks the source how its samples cover q, compared with that long ago.
func (e *Evaluator) coverage(ctx context.Context, q plan.Query, ago time.Duration) func(*plan.Part) coverage {
	nobody := func(*plan.Part) coverage { return unknown }
	var by []string
	if q.Shared() {
		by = q.Labels()
	}
	asked, err := rule.CoverageOf(q.PromQL, ago, by...)
	if err != nil {
		return nobody
	}
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	began := e.opts.Now()
	answer, err := e.opts.Source.Query(ctx, asked.PromQL)
	e.opts.Metrics.query(e.opts.Name, q.Rule, err, e.opts.Now().Sub(began), len(answer.Warnings))
	if err != nil || len(answer.Warnings) > 0 {
		// A source that leaves out what failed says so in a warning, and then says nothing by
		// what is not there.
		return nobody
	}
	own := share(answer, q)
	return func(p *plan.Part) coverage { return judge(own(p), asked) }
}

// judge reads the elements for one part in the answer to a rule.Coverage: of several for
// one selector, which are of objects, their mean counts.
func judge(samples []source.Sample, asked rule.Coverage) coverage {
	type mean struct{ sum, n float64 }
	parts := map[string]mean{}
	for _, s := range samples {
		m := parts[s.Labels.Get(asked.Label)]
		parts[s.Labels.Get(asked.Label)] = mean{m.sum + s.Value, m.n + 1}
	}
	switch {
	case len(parts) == 0:
		return forgotten
	case len(parts) < asked.Selectors:
		return unknown
	}
	for _, m := range parts {
		if !(m.sum/m.n >= enough) { // nor NaN
			return unknown
		}
	}
	return covered
}
