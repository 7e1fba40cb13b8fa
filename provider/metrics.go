package provider

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/loadline/loadline/provider/metric"
)

// Metrics are the readers' own metrics.
type Metrics struct {
	reads    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		reads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_reads_total",
			Help: "Reads by API, metric and outcome (ok, or why there was no value). Queries of policies count as one metric, and metrics that no rule gives as metric=\"\".",
		}, []string{"api", "metric", "outcome"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "loadline_read_duration_seconds", Help: "Time to answer a read, without authentication, authorization and encoding.",
			Buckets: []float64{.00001, .00005, .0001, .0005, .001, .005, .01, .05, .1, .5, 1, 2},
		}, []string{"api"}),
	}
}

// read counts one read. Only names that rules give become label values, or
// anybody who may read could make the metric grow without bound.
func (m *Metrics) read(api metric.API, name string, known bool, err error, took time.Duration) {
	outcome := "ok"
	if err != nil {
		outcome = string(metric.ReasonOf(err))
		if outcome == "" {
			outcome = "internal"
		}
	}
	if !known {
		name = ""
	}
	m.reads.WithLabelValues(string(api), name, outcome).Inc()
	m.duration.WithLabelValues(string(api)).Observe(took.Seconds())
}
