package cert

import "github.com/prometheus/client_golang/prometheus"

// NewCollector collects a Status, under names that begin with prefix. It is in no
// probe: a replica with a certificate serves best by going on, whatever is wrong.
func NewCollector(prefix string, status func() Status) prometheus.Collector {
	return &collector{
		expiry:   prometheus.NewDesc(prefix+"serving_certificate_not_after_timestamp_seconds", "When the self-managed serving certificate expires. Absent without one.", nil, nil),
		problems: prometheus.NewDesc(prefix+"serving_certificate_problems", "What could not be done for the self-managed serving certificate at the last look, such as to keep a caBundle right. The log says what, and what to do.", nil, nil),
		status:   status,
	}
}

type collector struct {
	expiry, problems *prometheus.Desc
	status           func() Status
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { ch <- c.expiry; ch <- c.problems }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	now := c.status()
	if !now.NotAfter.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(now.NotAfter.Unix()))
	}
	ch <- prometheus.MustNewConstMetric(c.problems, prometheus.GaugeValue, float64(len(now.Problems)))
}
