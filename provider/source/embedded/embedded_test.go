package embedded_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

func TestMain(m *testing.M) {
	if os.Getenv(exporterEnv) != "" {
		export() // the other process of a benchmark
		return
	}
	goleak.VerifyTestMain(m)
}

// It is a source like that of Prometheus' HTTP API.
var (
	_ eval.Source        = (*embedded.Source)(nil)
	_ catalog.Discoverer = (*embedded.Source)(nil)
)

func TestSource(t *testing.T) {
	const perSecond = 40
	began := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "requests_total %v\n", perSecond*time.Since(began).Seconds())
	}))
	t.Cleanup(server.Close)
	committed := make(chan string, 100)
	s, err := embedded.New(embedded.Config{
		Scrape: scrape.Config{Interval: 100 * time.Millisecond},
		Engine: engine.Config{Dir: t.TempDir(), Committed: func(id string) {
			select {
			case committed <- id:
			default:
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	p := target.Target{Namespace: "shop", Pod: "web", Node: "n", Address: netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://")), Scheme: "http", Path: "/metrics"}
	s.Set([]target.Target{p}, target.Fence{Loopback: true}, wanted.Everything())

	// An evaluation can follow its scrape: what was committed is there.
	for range 10 {
		select {
		case id := <-committed:
			if id != p.ID() {
				t.Fatalf("the scrape of %s", id)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no scrape")
		}
	}
	answer, err := s.Query(t.Context(), `rate(requests_total{namespace="shop",pod="web"}[1s])`)
	if err != nil || len(answer.Samples) != 1 {
		t.Fatalf("%v %v", answer, err)
	}
	if got := answer.Samples[0].Value; math.Abs(got-perSecond) > perSecond/2 {
		t.Errorf("a rate of %v, want %d", got, perSecond)
	}
	series, err := s.Series(t.Context(), []string{`{pod!=""}`}, time.Minute)
	if err != nil || len(series) == 0 || series[0].Name != "requests_total" {
		t.Errorf("%v %v", series, err)
	}
	if status := s.Status(); len(status) != 1 || !status[0].Up {
		t.Errorf("%v", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	_, err := embedded.New(embedded.Config{Scrape: scrape.Config{Interval: -1}})
	if err == nil || !strings.Contains(err.Error(), "directory is missing") || !strings.Contains(err.Error(), "interval") {
		t.Errorf("%v, want both what is wrong with the engine and with the scrapes", err)
	}
}
