package cert

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NewCollector collects a Status, under names that begin with prefix. It is in no
// probe: a replica with a certificate serves best by going on, whatever is wrong.
func NewCollector(prefix string, status func() Status) prometheus.Collector {
	return &collector{
		expiry:   describeExpiry(prefix),
		problems: prometheus.NewDesc(prefix+"serving_certificate_problems", "What could not be done for the self-managed serving certificate at the last look, such as to keep a caBundle right. The log says what, and what to do.", nil, nil),
		status:   status,
	}
}

func describeExpiry(prefix string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+"serving_certificate_not_after_timestamp_seconds", "When the serving certificate expires, be it self-managed or given. Absent without one.", nil, nil)
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
	collectExpiry(ch, c.expiry, now.NotAfter)
	ch <- prometheus.MustNewConstMetric(c.problems, prometheus.GaugeValue, float64(len(now.Problems)))
}

// NewExpiry collects when a certificate expires that is given, and that somebody else renews,
// under the name that a self-managed one has. notAfter is asked at each scrape; it is zero
// where there is none.
func NewExpiry(prefix string, notAfter func() time.Time) prometheus.Collector {
	return &expiry{describeExpiry(prefix), notAfter}
}

type expiry struct {
	desc     *prometheus.Desc
	notAfter func() time.Time
}

// Describe implements prometheus.Collector.
func (e *expiry) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect implements prometheus.Collector.
func (e *expiry) Collect(ch chan<- prometheus.Metric) { collectExpiry(ch, e.desc, e.notAfter()) }

func collectExpiry(ch chan<- prometheus.Metric, desc *prometheus.Desc, at time.Time) {
	if !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(at.Unix()))
	}
}

// NotAfter is when the first certificate of PEM blocks expires, which is the one that is
// shown; zero where there is none.
func NotAfter(blocks []byte) time.Time {
	for {
		block, rest := pem.Decode(blocks)
		if block == nil {
			return time.Time{}
		}
		if block.Type == "CERTIFICATE" {
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return time.Time{}
			}
			return leaf.NotAfter
		}
		blocks = rest
	}
}
