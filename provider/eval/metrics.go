package eval

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/loadline/loadline/provider/source"
)

// Metrics are the evaluator's own metrics.
type Metrics struct {
	queries  *prometheus.CounterVec
	duration prometheus.Histogram
	warnings *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		queries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_queries_total", Help: "Queries sent to the source, by rule and outcome.",
		}, []string{"rule", "outcome"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name: "loadline_query_duration_seconds", Help: "Time until the source answered a query or the deadline passed.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}),
		warnings: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_query_warnings_total", Help: "Answers to which the source added warnings, for example about partial data.",
		}, []string{"rule"}),
	}
}

func (m *Metrics) query(rule string, err error, took time.Duration, warnings int) {
	m.queries.WithLabelValues(rule, source.KindOf(err).String()).Inc()
	m.duration.Observe(took.Seconds())
	if warnings > 0 {
		m.warnings.WithLabelValues(rule).Inc()
	}
}
