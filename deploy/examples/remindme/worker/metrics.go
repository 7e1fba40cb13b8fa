package worker

import "github.com/prometheus/client_golang/prometheus"

// Outcomes of a delivery.
const (
	outcomeDone        = "done"        // processed and deleted from the queue
	outcomeFailed      = "failed"      // will be tried again
	outcomeGivenBack   = "given_back"  // the worker had to stop
	outcomeUnconfirmed = "unconfirmed" // processed, but the deletion was not confirmed
	outcomeUnreadable  = "unreadable"  // dropped
)

// Metrics are a worker's own metrics.
type Metrics struct {
	processed *prometheus.CounterVec
	seconds   prometheus.Histogram
	inFlight  prometheus.Gauge
}

// NewMetrics registers a worker's metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reminders_processed_total",
			Help: "Deliveries of due reminders to this worker, by outcome.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "reminder_processing_duration_seconds",
			Help:    "Time spent on a reminder, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "reminders_in_flight",
			Help: "Reminders this worker is processing now.",
		}),
	}
	for _, o := range []string{outcomeDone, outcomeFailed, outcomeGivenBack, outcomeUnconfirmed, outcomeUnreadable} {
		m.processed.WithLabelValues(o) // so that the first event is an increase, not a birth
	}
	reg.MustRegister(m.processed, m.seconds, m.inFlight)
	return m
}

func (m *Metrics) done(outcome string) { m.processed.WithLabelValues(outcome).Inc() }
