package eval

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
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

// ask has a query answered, piece by piece, and joins what they give to what the store
// keeps: of a piece nothing else stays in memory. One whose answer is too large is halved,
// as when a namespace is asked about for the first time and nothing is known of how many
// containers its pods have.
func (e *Evaluator) ask(ctx context.Context, q plan.Query, began time.Time) (data []*store.Data, errs []error, err error) {
	todo := q.Pieces()
	for left := maxDivisions; len(todo) > 0; {
		answer, err := e.send(ctx, q, todo[0].PromQL)
		if tooLarge(err) && left > 0 {
			if first, second, ok := todo[0].Halves(); ok {
				todo, left = slices.Concat([]plan.Piece{first, second}, todo[1:]), left-1
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		more, wrong := join(answer, q, began)
		if data == nil {
			data, errs = more, wrong
		} else { // of one part
			data[0], errs[0] = together(data[0], more[0]), cmp.Or(errs[0], wrong[0])
		}
		todo = todo[1:]
	}
	return data, errs, nil
}

// send sends one query to the source, which has until the deadline for it.
func (e *Evaluator) send(ctx context.Context, q plan.Query, promQL string) (answer source.Answer, err error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	began := e.opts.Now()
	if s, ok := e.opts.Source.(bounded); ok && q.MaxSeries > 0 {
		answer, err = s.QueryAtMost(ctx, promQL, q.MaxSeries+1)
	} else {
		answer, err = e.opts.Source.Query(ctx, promQL)
	}
	ended := e.opts.Now()
	e.worked.Store(&ended)
	e.opts.Metrics.query(e.opts.Name, q.Rule, err, ended.Sub(began), len(answer.Warnings))
	if err != nil && caller.Err() != nil { // the source had no time of its own
		return answer, &source.Error{Kind: source.Canceled, Text: "it was given up", Err: caller.Err()}
	}
	return answer, err
}

// tooLarge says whether an error is about the size of an answer.
func tooLarge(err error) bool {
	kind := source.KindOf(err)
	return kind == source.Oversized || kind == source.Incomplete
}

// tooMany says that an answer has more series than its query may have.
func tooMany(samples []source.Sample, q plan.Query) error {
	if q.MaxSeries == 0 || len(samples) <= q.MaxSeries {
		return nil
	}
	return metric.Errorf(metric.RuleFailed, "the query gives more than one series, such as %s and %s: write sum( ) or another aggregation around it", clip(samples[0].Labels.String(), 200), clip(samples[1].Labels.String(), 200))
}
