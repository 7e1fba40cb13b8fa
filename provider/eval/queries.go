package eval

import (
	"context"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

// Queries are external metrics that no rule gives.
type Queries interface {
	// Query finds one; ok is false for a name that is none of theirs. The error, a
	// *metric.Error, says why one is not there or is not served.
	Query(namespace, metric string) (q plan.Renderer, ok bool, err error)
}

// queryOf is what gives id where that is not the catalog.
func (e *Evaluator) queryOf(id metric.Identifier) (plan.Renderer, bool, error) {
	if id.API != metric.External || e.opts.Queries == nil {
		return nil, false, nil
	}
	return e.opts.Queries.Query(id.Namespace, id.Metric)
}

// bounded is a source that can leave off reading: of an answer that is refused for its
// many series, one more than allowed tells enough.
type bounded interface {
	QueryAtMost(ctx context.Context, promQL string, most int) (source.Answer, error)
}

// ask sends a query to the source.
func (e *Evaluator) ask(ctx context.Context, q plan.Query) (source.Answer, error) {
	if s, ok := e.opts.Source.(bounded); ok && q.MaxSeries > 0 {
		return s.QueryAtMost(ctx, q.PromQL, q.MaxSeries+1)
	}
	return e.opts.Source.Query(ctx, q.PromQL)
}

// tooMany says that an answer has more series than its query may have.
func tooMany(samples []source.Sample, q plan.Query) error {
	if q.MaxSeries == 0 || len(samples) <= q.MaxSeries {
		return nil
	}
	return metric.Errorf(metric.RuleFailed, "the query gives more than one series, such as %s and %s: write sum( ) or another aggregation around it", clip(samples[0].Labels.String(), 200), clip(samples[1].Labels.String(), 200))
}
