package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/loadline/loadline/provider/source"
)

// Series returns the names of the series that match any of the selectors and had samples in
// the time since, or at all if that is 0, each with its label names, ordered by name. Series
// without a name are left out. Errors are *source.Error.
func (e *Engine) Series(ctx context.Context, selectors []string, since time.Duration) ([]source.Series, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	mint, maxt := int64(math.MinInt64), e.config.Now().UnixMilli()
	if since > 0 {
		mint = maxt - since.Milliseconds()
	}
	q, err := e.Querier(mint, maxt)
	if err != nil {
		return nil, &source.Error{Kind: source.Unavailable, Quotes: true, Text: source.Excerpt(err.Error()), Err: err}
	}
	defer q.Close()
	found := map[string]map[string]struct{}{}
	for _, selector := range selectors {
		matchers, err := e.parser.ParseMetricSelector(selector)
		if err != nil {
			return nil, &source.Error{Kind: source.Rejected, Text: "the selector cannot be read: " + err.Error()}
		}
		// Only the index is looked at.
		set := q.Select(ctx, false, &storage.SelectHints{Start: mint, End: maxt, Func: "series"}, matchers...)
		for set.Next() {
			add(found, set.At().Labels())
		}
		if err := set.Err(); err != nil {
			return nil, failed(ctx, err)
		}
		if ctx.Err() != nil {
			return nil, failed(ctx, fmt.Errorf("looking series up: %w", ctx.Err()))
		}
	}
	out := make([]source.Series, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, source.Series{Name: name, Labels: slices.Sorted(maps.Keys(found[name]))})
	}
	return out, nil
}

func add(found map[string]map[string]struct{}, series promlabels.Labels) {
	name := series.Get(model.MetricNameLabel)
	if name == "" {
		return
	}
	names := found[name]
	if names == nil {
		names = map[string]struct{}{}
		found[name] = names
	}
	series.Range(func(l promlabels.Label) {
		if l.Name != model.MetricNameLabel {
			names[l.Name] = struct{}{}
		}
	})
}
