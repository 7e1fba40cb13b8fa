package adapter

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// libraryMetrics are the prefixes of what the Kubernetes libraries export and we
// pass on: reviews and their latency, and requests to the API server. The rest,
// apiserver_request_* above all, has the names of metrics as label values, which
// any reader can make up.
var libraryMetrics = []string{"apiserver_delegated_auth", "rest_client_requests_total", "rest_client_request_duration_seconds"}

// selfMetrics are our own metrics.
type selfMetrics struct {
	registry *prometheus.Registry
	eval     *eval.Metrics
	reads    *provider.Metrics
}

func newSelfMetrics() *selfMetrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return &selfMetrics{registry: r, eval: eval.NewMetrics(r), reads: provider.NewMetrics(r)}
}

// handler serves ours and, filtered, the libraries' metrics.
func (m *selfMetrics) handler() http.Handler {
	library := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		all, err := legacyregistry.DefaultGatherer.Gather()
		var kept []*dto.MetricFamily
		for _, f := range all {
			for _, prefix := range libraryMetrics {
				if strings.HasPrefix(f.GetName(), prefix) {
					kept = append(kept, f)
				}
			}
		}
		return kept, err
	})
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, library}, promhttp.HandlerOpts{MaxRequestsInFlight: 10, Timeout: 5 * time.Second})
}

// state collects what is read off the parts at each scrape.
type state struct {
	demand  *demand.Registry
	store   *store.Store
	catalog *catalog.Catalog
	objects func() int
	hidden  func() int // kinds of objects that we may not list
	queries func() (served, refused int)
	failed  func() map[string]int          // rules whose discovery failed, by their source
	up      func() map[string]bool         // of the sources of which it is known
	oldest  func() (at time.Time, ok bool) // evaluation of the oldest value served
	config  func() (loaded time.Time, bad error)
	now     func() time.Time
}

// metricPrefix begins the names of our metrics.
const metricPrefix = "loadline_"

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricPrefix+name, help, labels, nil)
}

var (
	descWanted     = describe("wanted", "Distinct metrics that are evaluated, by why: an HPA references them, or they were only read.", "why")
	descRejections = describe("wanted_rejections_total", "Reads and references refused because demand was at a limit.")
	descMetrics    = describe("metrics_held", "Distinct metrics with an evaluation in the store.")
	descValues     = describe("values_held", "Values in the store. What metrics share counts once.")
	descMaxValues  = describe("values_held_limit", "What --max-values-held allows.")
	descRefused    = describe("value_rejections_total", "Evaluations whose values were not kept because of a limit: of one answer, or of all that is held.")
	descOldest     = describe("oldest_value_age_seconds", "Age of the oldest value that a read is served with now, since its evaluation. Absent where none is, as after --value-max-age without the source.")
	descNames      = describe("metric_names", "Metric names served, by API.", "api")
	descQueries    = describe("queries", "Queries of AutoscalingPolicies, by whether they are served or refused.", "state")
	descConflicts  = describe("rule_conflicts", "Metrics that two rules or series give, of which one hides the other.")
	descFailed     = describe("rules_discovery_failed", "Rules whose newest series discovery failed, by their source.", "source")
	descObjects    = describe("objects_held", "Described objects held.")
	descHidden     = describe("kinds_forbidden", "Kinds of described objects that RBAC forbids the adapter to list. Their objects count as live when they are asked for by name; reads of lists of them fail.")
	descSource     = describe("source_up", "1 while a source answers: queries in the newest evaluation or, if that had none to send, the newest discovery of series. 0 when none of them got an answer. Absent until one was sent. The source of --prometheus-url is called default.", "source")
	descLoaded     = describe("config_last_load_success_timestamp_seconds", "When the configuration in use was loaded.")
	descLoadedAll  = describe("config_last_load_successful", "1 while the newest configuration file is in use; 0 where it cannot be read or used, and the last good one is in use, or where a part of it waits for a restart.")
)

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descWanted, descRejections, descMetrics, descValues, descMaxValues, descRefused, descOldest, descNames, descQueries, descConflicts, descFailed, descObjects, descHidden, descSource, descLoaded, descLoadedAll} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	want := s.demand.Stats()
	gauge(descWanted, float64(want.Referenced), "referenced")
	gauge(descWanted, float64(want.Wanted-want.Referenced), "read")
	ch <- prometheus.MustNewConstMetric(descRejections, prometheus.CounterValue, float64(want.Rejections))
	held := s.store.Stats()
	gauge(descMetrics, float64(held.Metrics))
	gauge(descValues, float64(held.Values))
	gauge(descMaxValues, float64(held.Limit))
	ch <- prometheus.MustNewConstMetric(descRefused, prometheus.CounterValue, float64(held.Rejections))
	if at, ok := s.oldest(); ok {
		gauge(descOldest, s.now().Sub(at).Seconds())
	}
	names := s.catalog.Stats()
	gauge(descNames, float64(names.Custom), "custom")
	gauge(descNames, float64(names.External), "external")
	served, refused := s.queries()
	gauge(descQueries, float64(served), "served")
	gauge(descQueries, float64(refused), "refused")
	gauge(descConflicts, float64(names.Conflicts))
	for name, failed := range s.failed() {
		gauge(descFailed, float64(failed), rule.SourceLabel(name))
	}
	gauge(descObjects, float64(s.objects()))
	gauge(descHidden, float64(s.hidden()))
	for name, up := range s.up() {
		gauge(descSource, map[bool]float64{true: 1}[up], rule.SourceLabel(name))
	}
	loaded, bad := s.config()
	gauge(descLoaded, float64(loaded.Unix()))
	gauge(descLoadedAll, map[bool]float64{true: 1}[bad == nil])
}

// servePlain serves nothing but handler on listener until ctx ends.
func servePlain(ctx context.Context, listener net.Listener, handler http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
