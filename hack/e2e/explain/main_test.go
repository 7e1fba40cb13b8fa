//go:build e2e

// Package explain holds what kubectl loadline explain says of HPAs against what the HPA
// controller then does with them: HPAs of many kinds of metrics over pods in random states,
// with values that a real Prometheus has from an exporter and our adapter serves. It runs
// in a namespace of hack/netns (make e2e).
package explain

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
)

// hpaSync is the HPA controller's period, at the pace of a test.
const hpaSync = 5 * time.Second

// system is what all tests share, and values what its Prometheus scrapes.
var (
	system suite.Suite
	values exposition
)

// exposition is a page of metrics that does not change unless it is set.
type exposition struct{ text atomic.Pointer[string] }

func (e *exposition) set(text string) { e.text.Store(&text) }

func (e *exposition) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = io.WriteString(w, *e.text.Load()) // a scraper that left is its own loss
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// One series of each name, so that the adapter knows of them from its start.
	values.set(`e2e_pods{namespace="default",pod="none"} 1
e2e_object{namespace="default",service="none"} 1
e2e_external{namespace="default",app="none",part="0"} 1
`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	server := &http.Server{Handler: &values, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // Close ends it
	defer server.Close()
	prometheus, err := cluster.StartPrometheus(context.Background(), cluster.PromOptions{Log: os.Stderr, ConfigYAML: fmt.Sprintf(
		`global: {scrape_interval: %s, scrape_timeout: 1900ms}
scrape_configs:
- job_name: states
  honor_labels: true
  static_configs: [{targets: [%q]}]
`, lab.ScrapeInterval, listener.Addr())})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		if err := prometheus.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping Prometheus:", err)
		}
	}()
	return system.Main(m, lab.Options{
		HPASyncPeriod: hpaSync, Kwok: true, PrometheusURL: prometheus.URL(),
		ExtraArgs: map[string][]string{"kube-controller-manager": {"--kube-api-qps=100", "--kube-api-burst=200"}},
	}, startAdapter)
}

func startAdapter(ctx context.Context) error {
	objects, err := system.RenderAdapter(ctx, filepath.Join("hack", "e2e", "explain", "adapter"), "--max-wanted-per-namespace=10000")
	if err != nil {
		return err
	}
	return system.RunAdapter(ctx, objects)
}
