package serving

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry with the metrics of the Go runtime and of
// the process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// Instrument counts and times the requests of next, by method and code. Both
// labels have few values: promhttp maps methods it does not know to one.
func Instrument(reg prometheus.Registerer, next http.Handler) http.Handler {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Requests answered.",
	}, []string{"method", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "Time from the request to the end of its answer, in seconds.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
	}, []string{"method"})
	reg.MustRegister(total, seconds)
	// A pod that has not been asked anything yet has served 0 requests, and
	// says so; without this it would be a pod of which nothing is known.
	total.WithLabelValues("get", "200")
	return promhttp.InstrumentHandlerCounter(total, promhttp.InstrumentHandlerDuration(seconds, next))
}
