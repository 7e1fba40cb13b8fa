package eval

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Metrics are the evaluator's own metrics.
type Metrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	warnings *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		queries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_queries_total", Help: "Queries sent to a source, by rule and outcome.",
		}, []string{"source", "rule", "outcome"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "loadline_query_duration_seconds", Help: "Time until a source answered a query or the deadline passed.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}, []string{"source"}),
		warnings: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_query_warnings_total", Help: "Answers to which the source added warnings, for example about partial data: to queries, and to the discovery of a rule's series, which then takes no name away.",
		}, []string{"source", "rule"}),
	}
}

// query counts a query to a source, whose name is empty for the one of the command line.
func (m *Metrics) query(name, ruleID string, err error, took time.Duration, warnings int) {
	name = rule.SourceLabel(name)
	m.queries.WithLabelValues(name, ruleID, source.KindOf(err).String()).Inc()
	m.duration.WithLabelValues(name).Observe(took.Seconds())
	if warnings > 0 {
		m.warnings.WithLabelValues(name, ruleID).Inc()
	}
}

// Warned counts an answer to a rule's discovery to which the source added warnings.
func (m *Metrics) Warned(name, ruleID string) {
	m.warnings.WithLabelValues(rule.SourceLabel(name), ruleID).Inc()
}

// forget takes away what was counted of a source that is gone.
func (m *Metrics) forget(name string) {
	label := prometheus.Labels{"source": rule.SourceLabel(name)}
	m.queries.DeletePartialMatch(label)
	m.duration.DeletePartialMatch(label)
	m.warnings.DeletePartialMatch(label)
}
