package adapter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

func TestCheckSelector(t *testing.T) {
	passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := checkSelector(passed, cmapiserver.Codecs)
	for query, want := range map[string]int{
		"": 204, "?labelSelector=a%3Db": 204, "?metricLabelSelector=a%3Db,c+in+(d,e)": 204, "?metricLabelSelector=": 204,
		"?metricLabelSelector=a+in+(": 400, "?metricLabelSelector=a&metricLabelSelector=%3D": 400,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/apis/custom.metrics.k8s.io/v1beta1/namespaces/a/pods/*/m"+query, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", query, w.Code, want, w.Body)
		}
		if w.Code == 400 && (!strings.Contains(w.Body.String(), `"kind":"Status"`) || !strings.Contains(w.Body.String(), "metricLabelSelector: ")) {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
}

func TestLimitInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	h := limitInFlight(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}), cmapiserver.Codecs, 2)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	full := func(path string) {
		w := ask(path)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "" {
			t.Errorf("%s at the limit: %d, %v", path, w.Code, w.Header())
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { ask("/apis") })
		<-entered
	}
	full("/apis")
	for _, path := range []string{"/livez", "/readyz/first-evaluation"} {
		wg.Go(func() { ask(path) })
		<-entered // readers do not keep probes and scrapes out
	}
	full("/metrics")
	full("/healthz")
	full("/apis")
	close(release)
	wg.Wait()
	for _, path := range []string{"/apis", "/metrics"} {
		wg.Go(func() { <-entered })
		if w := ask(path); w.Code != http.StatusOK {
			t.Errorf("%s: %d after the others have ended", path, w.Code)
		}
	}
	wg.Wait()
}

// Requests that wait for authentication count, and nothing keeps a replica whose
// readers all do from answering its probes.
func TestSlowAuthenticationCounts(t *testing.T) {
	const reader = "/apis"
	release, entered := make(chan struct{}), make(chan struct{})
	config := newTestConfig(nil, nil, nil)
	anybody := config.Authentication.Authenticator
	config.Authentication.Authenticator = authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		if r.URL.Path == reader {
			entered <- struct{}{}
			<-release
		}
		return anybody.AuthenticateRequest(r)
	})
	config.RequestTimeout = time.Minute
	server := newTestServer(t, config, nil, nil)
	t.Cleanup(server.Destroy)
	server.PrepareRun() // the probes
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	var wg sync.WaitGroup
	for range maxInFlight {
		wg.Go(func() {
			if w := ask(reader); w.Code != http.StatusOK {
				t.Errorf("a reader within the limit: %d %s", w.Code, w.Body)
			}
		})
	}
	for range maxInFlight {
		<-entered
	}
	if w := ask(reader); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "too many requests are under way") {
		t.Errorf("one reader more: %d %s", w.Code, w.Body)
	}
	if w := ask("/livez/ping"); w.Code != http.StatusOK {
		t.Errorf("probe: %d %s", w.Code, w.Body)
	}
	close(release)
	wg.Wait()
}

func TestProbes(t *testing.T) {
	begin := time.Unix(1000, 0)
	now, beat := begin, begin
	check := alive(func() time.Time { return beat }, 30*time.Second, func() time.Time { return now })
	for silent, healthy := range map[time.Duration]bool{0: true, 5 * time.Minute: true, 5*time.Minute + time.Second: false} {
		now = begin.Add(silent)
		if err := check.Check(nil); (err == nil) != healthy {
			t.Errorf("silent for %s: %v", silent, err)
		}
	}
	beat = now
	if err := check.Check(nil); err != nil {
		t.Errorf("after a sign of life: %v", err)
	}
	// Short intervals do not make it nervous.
	check = alive(func() time.Time { return begin }, time.Second, func() time.Time { return begin.Add(2 * time.Minute) })
	if err := check.Check(nil); err != nil {
		t.Errorf("two minutes: %v", err)
	}

	done := make(chan struct{})
	ready := warm(done)
	if ready.Check(nil) == nil {
		t.Error("ready before the first evaluation")
	}
	close(done)
	if err := ready.Check(nil); err != nil {
		t.Errorf("unready after it: %v", err)
	}
}

func newState(up bool) *state {
	at := time.Unix(1000, 0)
	s := &state{
		demand: demand.New(demand.Limits{Total: 2, PerNamespace: 2, Idle: time.Minute}), store: store.NewLimited(store.Limits{Values: 3}),
		catalog: catalog.New(catalog.Options{Rules: &rule.Set{}, Now: time.Now}),
		objects: func() int { return 7 }, hidden: func() int { return 2 }, queries: func() (int, int) { return 4, 2 }, up: func() map[string]bool { return map[string]bool{"": up, "far": !up} }, failed: func() map[string]int { return map[string]int{"": 0, "far": 2} }, oldest: func() (time.Time, bool) { return at, true }, config: func() (time.Time, error) { return at, nil }, now: func() time.Time { return at.Add(time.Minute) },
	}
	for _, name := range []string{"a", "b", "c"} {
		_ = s.demand.Read(metric.Identifier{API: metric.External, Metric: name}, at) // the third is one too many
	}
	s.store.Succeed(metric.Identifier{Metric: "a"}, &store.Data{Evaluated: at, Series: make([]store.Value, 3)})
	s.store.Succeed(metric.Identifier{Metric: "b"}, &store.Data{Evaluated: at, Series: make([]store.Value, 1)}) // one too many
	return s
}

func TestSelfMetrics(t *testing.T) {
	m := newSelfMetrics()
	m.registry.MustRegister(newState(false))
	err := testutil.GatherAndCompare(m.registry, strings.NewReader(`
# HELP loadline_kinds_forbidden Kinds of described objects that RBAC forbids the adapter to list. Their objects count as live when they are asked for by name; reads of lists of them fail.
# TYPE loadline_kinds_forbidden gauge
loadline_kinds_forbidden 2
# HELP loadline_oldest_value_age_seconds Age of the oldest value that a read is served with now, since its evaluation. Absent where none is, as after --value-max-age without the source.
# TYPE loadline_oldest_value_age_seconds gauge
loadline_oldest_value_age_seconds 60
# HELP loadline_rules_discovery_failed Rules whose newest series discovery failed, by their source.
# TYPE loadline_rules_discovery_failed gauge
loadline_rules_discovery_failed{source="default"} 0
loadline_rules_discovery_failed{source="far"} 2
# HELP loadline_source_up 1 while a source answers: queries in the newest evaluation or, if that had none to send, the newest discovery of series. 0 when none of them got an answer. Absent until one was sent. The source of --prometheus-url is called default.
# TYPE loadline_source_up gauge
loadline_source_up{source="default"} 0
loadline_source_up{source="far"} 1
# HELP loadline_value_rejections_total Evaluations whose values were not kept because of a limit: of one answer, or of all that is held.
# TYPE loadline_value_rejections_total counter
loadline_value_rejections_total 1
# HELP loadline_values_held Values in the store. What metrics share counts once.
# TYPE loadline_values_held gauge
loadline_values_held 3
# HELP loadline_values_held_limit What --max-values-held allows.
# TYPE loadline_values_held_limit gauge
loadline_values_held_limit 3
# HELP loadline_wanted Distinct metrics that are evaluated, by why: an HPA references them, or they were only read.
# TYPE loadline_wanted gauge
loadline_wanted{why="read"} 2
loadline_wanted{why="referenced"} 0
# HELP loadline_wanted_rejections_total Reads and references refused because demand was at a limit.
# TYPE loadline_wanted_rejections_total counter
loadline_wanted_rejections_total 1
`), "loadline_kinds_forbidden", "loadline_oldest_value_age_seconds", "loadline_rules_discovery_failed", "loadline_source_up", "loadline_value_rejections_total", "loadline_values_held", "loadline_values_held_limit", "loadline_wanted", "loadline_wanted_rejections_total")
	if err != nil {
		t.Error(err)
	}
}

func TestCertMetrics(t *testing.T) {
	for name, tc := range map[string]struct {
		status cert.Status
		want   string
	}{
		"nothing yet": {cert.Status{Problems: []string{"a", "b"}}, "loadline_serving_certificate_problems 2\n"},
		"all is well": {
			cert.Status{NotAfter: time.Unix(1000, 0), Notes: []string{"left alone"}},
			"loadline_serving_certificate_not_after_timestamp_seconds 1000\nloadline_serving_certificate_problems 0\n",
		},
	} {
		r := prometheus.NewRegistry()
		r.MustRegister(cert.NewCollector(metricPrefix, func() cert.Status { return tc.status }))
		page := httptest.NewRecorder()
		promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		var got strings.Builder
		for line := range strings.Lines(page.Body.String()) {
			if !strings.HasPrefix(line, "#") {
				got.WriteString(line)
			}
		}
		if diff := cmp.Diff(tc.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
	}
}

// What is not known has no sample: a 0 would be an alarm, a 1 a lie.
func TestUnknownIsAbsent(t *testing.T) {
	s := newState(true)
	s.up = func() map[string]bool { return nil }
	s.oldest = func() (time.Time, bool) { return time.Time{}, false }
	m := newSelfMetrics()
	m.registry.MustRegister(s)
	if n, err := testutil.GatherAndCount(m.registry, "loadline_source_up", "loadline_oldest_value_age_seconds"); err != nil || n != 0 {
		t.Errorf("%d samples, error %v", n, err)
	}
}

func TestMetricsPage(t *testing.T) {
	m := newSelfMetrics()
	m.registry.MustRegister(newState(true))
	server := httptest.NewServer(m.handler())
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", resp.Status, err, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"loadline_wanted", "loadline_source_up", "go_goroutines", "process_start_time_seconds"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "apiserver_request") {
			t.Errorf("%s has the names of metrics as label values, which readers make up", name)
		}
	}
	problems, err := promlint.New(strings.NewReader(string(body))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "loadline_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
