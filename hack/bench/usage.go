package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Usage is what the adapter's processes have used so far, from their own
// metrics. CPU time has the kernel's resolution of 10 ms.
type Usage struct {
	CPU     time.Duration
	RSS     float64 // bytes, of the larger one
	Queries float64 // sent to Prometheus
	Reviews float64 // SubjectAccessReviews
	Reads   float64
	Wanted  float64 // metrics evaluated, of one replica
}

// Sub is what was used since an earlier time.
func (u Usage) Sub(before Usage) Usage {
	return Usage{CPU: u.CPU - before.CPU, RSS: u.RSS, Queries: u.Queries - before.Queries, Reviews: u.Reviews - before.Reviews, Reads: u.Reads - before.Reads, Wanted: u.Wanted}
}

// Add is what was used in both times.
func (u Usage) Add(o Usage) Usage {
	return Usage{
		CPU: u.CPU + o.CPU, RSS: max(u.RSS, o.RSS), Queries: u.Queries + o.Queries, Reviews: u.Reviews + o.Reviews, Reads: u.Reads + o.Reads, Wanted: max(u.Wanted, o.Wanted),
	}
}

// maxMetrics bounds what is read of a replica's metrics, in bytes.
const maxMetrics = 16 << 20

// Meter reads the metrics of replicas.
type Meter struct {
	Client   *http.Client
	Replicas []string // base URLs
}

// Read sums up the replicas.
func (m Meter) Read(ctx context.Context) (Usage, error) {
	var sum Usage
	for _, base := range m.Replicas {
		one, err := m.read(ctx, base)
		if err != nil {
			return Usage{}, err
		}
		sum.CPU += one.CPU
		sum.RSS = max(sum.RSS, one.RSS)
		sum.Queries += one.Queries
		sum.Reviews += one.Reviews
		sum.Reads += one.Reads
		sum.Wanted = max(sum.Wanted, one.Wanted)
	}
	return sum, nil
}

func (m Meter) read(ctx context.Context, base string) (Usage, error) {
	text, err := fetch(ctx, m.Client, base+"/metrics", "text/plain", maxMetrics)
	if err != nil {
		return Usage{}, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return Usage{}, fmt.Errorf("%s/metrics: %w", base, err)
	}
	total := func(name string) float64 {
		sum := 0.0
		for _, s := range families[name].GetMetric() {
			sum += s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
		return sum
	}
	if total("process_resident_memory_bytes") == 0 {
		return Usage{}, fmt.Errorf("%s/metrics has no process metrics", base)
	}
	return Usage{
		CPU: time.Duration(total("process_cpu_seconds_total") * float64(time.Second)), RSS: total("process_resident_memory_bytes"),
		Queries: total("loadline_queries_total"), Reviews: total("apiserver_delegated_authz_request_total"),
		Reads: total("loadline_reads_total"), Wanted: total("loadline_wanted"),
	}, nil
}
