package adapter

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/loadline/loadline/adapter/cert"
)

const readyHelp = "1 while a check passes that decides whether the replica is ready, 0 while it fails: first-evaluation, of what HPAs reference; " +
	"serving-certificate, of a self-managed one that is not there yet; shutdown, which fails from when the replica is told to end."

var descReady = describe("ready", readyHelp, "check")

// readiness collects what decides whether a replica is ready.
type readiness []healthz.HealthChecker

// Describe implements prometheus.Collector.
func (readiness) Describe(ch chan<- *prometheus.Desc) { ch <- descReady }

// Collect implements prometheus.Collector.
func (r readiness) Collect(ch chan<- prometheus.Metric) {
	for _, check := range r {
		value := 1.0
		if check.Check(nil) != nil { // none of ours looks at the request
			value = 0
		}
		ch <- prometheus.MustNewConstMetric(descReady, prometheus.GaugeValue, value, check.Name())
	}
}

// certified fails while a self-managed certificate is not there yet. It is no check of
// /readyz: whoever gets through to that has been shown one. The metrics have a port without.
func certified(status func() cert.Status) healthz.HealthChecker {
	return healthz.NamedCheck("serving-certificate", func(*http.Request) error {
		if status().NotAfter.IsZero() {
			return errors.New("there is no serving certificate yet")
		}
		return nil
	})
}
