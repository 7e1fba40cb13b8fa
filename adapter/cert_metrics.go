package adapter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/loadline/loadline/adapter/cert"
)

var (
	descCertExpiry   = describe("serving_certificate_not_after_timestamp_seconds", "When the self-managed serving certificate expires. Absent without one.")
	descCertProblems = describe("serving_certificate_problems", "What could not be done for the self-managed serving certificate at the last look, such as to keep the caBundle of an APIService right. The log says what, and what to do.")
)

// certState collects the state of the self-managed certificate. It is in no probe:
// a replica with a certificate serves best by going on, whatever is wrong.
type certState struct{ status func() cert.Status }

// Describe implements prometheus.Collector.
func (certState) Describe(ch chan<- *prometheus.Desc) { ch <- descCertExpiry; ch <- descCertProblems }

// Collect implements prometheus.Collector.
func (s certState) Collect(ch chan<- prometheus.Metric) {
	now := s.status()
	if !now.NotAfter.IsZero() {
		ch <- prometheus.MustNewConstMetric(descCertExpiry, prometheus.GaugeValue, float64(now.NotAfter.Unix()))
	}
	ch <- prometheus.MustNewConstMetric(descCertProblems, prometheus.GaugeValue, float64(len(now.Problems)))
}
