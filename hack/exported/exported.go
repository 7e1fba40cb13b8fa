// Package exported knows which metrics the programs export, by registering them as the
// programs do. The reference in docs is made of it, and what reads the metrics, alerts and
// the dashboard, is held to it.
package exported

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Families returns every metric that describe registers, sorted by name, each with one
// series that has all its labels.
func Families(describe func(prometheus.Registerer)) ([]*dto.MetricFamily, error) {
	r := &touching{Registry: prometheus.NewRegistry()}
	describe(r)
	if r.err != nil {
		return nil, r.err
	}
	return r.Gather()
}

// touching is a registry that makes one child of every vector, without which
// the vector would not be gathered.
type touching struct {
	*prometheus.Registry
	err error
}

// Register implements prometheus.Registerer.
func (t *touching) Register(c prometheus.Collector) error {
	if err := touch(c); err != nil {
		t.err = errors.Join(t.err, err)
	}
	return t.Registry.Register(c)
}

// MustRegister implements prometheus.Registerer. It does not panic: Families returns what
// goes wrong.
func (t *touching) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := t.Register(c); err != nil {
			t.err = errors.Join(t.err, err)
		}
	}
}

// mostLabels is more than any vector of ours has.
const mostLabels = 8

func touch(c prometheus.Collector) error {
	child := func([]string) error { return nil }
	switch v := c.(type) {
	case *prometheus.CounterVec:
		child = func(values []string) error { _, err := v.GetMetricWithLabelValues(values...); return err }
	case *prometheus.GaugeVec:
		child = func(values []string) error { _, err := v.GetMetricWithLabelValues(values...); return err }
	case *prometheus.HistogramVec:
		child = func(values []string) error { _, err := v.GetMetricWithLabelValues(values...); return err }
	}
	// A vector does not tell how many labels it has; it refuses all but that many.
	var err error
	for n := range mostLabels {
		if err = child(make([]string, n)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("a vector with more than %d labels: %w", mostLabels-1, err)
}
