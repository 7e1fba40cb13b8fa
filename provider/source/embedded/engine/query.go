package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/loadline/loadline/provider/source"
)

// Query evaluates a query now. The samples carry the time of that. Errors are *source.Error:
// Rejected also for a query that looks further back than samples are held, for it would be
// answered, and wrongly.
func (e *Engine) Query(ctx context.Context, promQL string) (source.Answer, error) {
	return e.QueryAtMost(ctx, promQL, 0)
}

// QueryAtMost is Query for an answer of which no more than the first samples are wanted, or
// all of them if most is 0.
func (e *Engine) QueryAtMost(ctx context.Context, promQL string, most int) (source.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	now := e.config.Now().Truncate(time.Millisecond)
	if err := e.reaches(promQL, now); err != nil {
		return source.Answer{}, err
	}
	query, err := e.promql.NewInstantQuery(ctx, e, promql.NewPrometheusQueryOpts(false, e.config.Lookback), promQL, now)
	if err != nil {
		return source.Answer{}, failed(ctx, err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return source.Answer{}, failed(ctx, result.Err)
	}
	answer, err := e.answer(result.Value, most)
	if err != nil {
		return source.Answer{}, err
	}
	answer.Warnings = warnings(result.Warnings, promQL)
	return answer, nil
}

// Querier implements storage.Queryable, for promql.
func (e *Engine) Querier(mint, maxt int64) (storage.Querier, error) {
	h := e.use()
	q, err := h.querier(mint, maxt)
	if err != nil {
		h.users.Done()
		return nil, err
	}
	return &used{q, sync.OnceFunc(h.users.Done)}, nil
}

// reaches says whether a query looks back no further than samples are held.
func (e *Engine) reaches(promQL string, now time.Time) error {
	expr, err := e.parser.ParseExpr(promQL)
	if err != nil {
		return &source.Error{Kind: source.Rejected, Text: "the query cannot be read: " + err.Error()}
	}
	if reach := reach(expr, now, e.config.Lookback); reach > e.config.Retention {
		return &source.Error{Kind: source.Rejected, Text: fmt.Sprintf("the query looks %s back, and samples are held for %s: give it a shorter range or offset, or raise --scrape-retention", reach, e.config.Retention)}
	}
	return nil
}

// reach is how far back an expression looks.
func reach(expr parser.Expr, now time.Time, lookback time.Duration) (furthest time.Duration) {
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		back := selector.OriginalOffset
		if selector.Timestamp != nil {
			back += now.Sub(time.UnixMilli(*selector.Timestamp))
		}
		ranged := false
		for _, around := range path {
			switch around := around.(type) {
			case *parser.MatrixSelector:
				back, ranged = back+around.Range, true
			case *parser.SubqueryExpr:
				back += around.Range + around.OriginalOffset
				if around.Timestamp != nil {
					back += now.Sub(time.UnixMilli(*around.Timestamp))
				}
			}
		}
		if !ranged {
			back += lookback
		}
		furthest = max(furthest, back)
		return nil
	})
	return furthest
}

// answer makes one of a query's result.
func (e *Engine) answer(value parser.Value, most int) (source.Answer, error) {
	switch value := value.(type) {
	case promql.Scalar:
		return source.Answer{Samples: []source.Sample{{Value: value.V, Time: time.UnixMilli(value.T)}}}, nil
	case promql.Vector:
		if most > 0 && len(value) > most {
			value = value[:most]
		}
		return e.samples(value)
	}
	return source.Answer{}, source.NotValues(string(value.Type()))
}

func (e *Engine) samples(vector promql.Vector) (source.Answer, error) {
	if len(vector) > e.config.MaxValues {
		return source.Answer{}, &source.Error{Kind: source.Oversized, Text: fmt.Sprintf("the answer has more than %d values: aggregate further in the query, or raise --prometheus-max-answer-values", e.config.MaxValues)}
	}
	samples := make([]source.Sample, 0, len(vector))
	for _, s := range vector {
		if s.H != nil {
			return source.Answer{}, source.NativeHistogram(s.Metric.String())
		}
		samples = append(samples, source.Sample{Labels: s.Metric, Value: s.F, Time: time.UnixMilli(s.T)})
	}
	return source.Answer{Samples: samples}, nil
}

// warnings are those of an evaluation, without what is said for information only.
func warnings(all annotations.Annotations, promQL string) []string {
	said, _ := all.AsStrings(promQL, 10, 0)
	return said
}

// failed explains why an evaluation has no result.
func failed(ctx context.Context, err error) error {
	var (
		late     promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
		large    promql.ErrTooManySamples
		stored   promql.ErrStorage
	)
	kind := source.Rejected
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &source.Error{Kind: source.Canceled, Text: "the call was canceled", Err: context.Canceled}
	case errors.As(err, &late), ctx.Err() != nil, errors.As(err, &canceled):
		return &source.Error{Kind: source.Timeout, Text: "the evaluation took too long", Err: err}
	case errors.As(err, &large):
		kind = source.Oversized
	case errors.As(err, &stored):
		kind = source.Unavailable
	}
	return &source.Error{Kind: kind, Quotes: true, Text: source.Excerpt(err.Error()), Err: err}
}
