package builtin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/builtin"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

const interval = 5 * time.Second

func compile(t *testing.T) *rule.Set {
	t.Helper()
	rules, err := rule.Compile(builtin.Rules(interval))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.Warnings) > 0 {
		t.Errorf("warnings: %v", rules.Warnings)
	}
	return rules
}

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	return m
}

func TestNames(t *testing.T) {
	rules := compile(t)
	for series, want := range map[string][]string{
		"http_requests_total":                        {"http_requests_per_second"},
		"http_server_requests_seconds_count":         {"http_requests_per_second"},
		"http_server_request_duration_seconds_count": {"http_requests_per_second"},
		"http_request_duration_seconds_count":        {"http_requests_per_second"},
		"http_requests_received_total":               {"http_requests_per_second", "http_requests_received_per_second"},
		"jobs_done_total":                            {"jobs_done_per_second"},
		"queue_depth":                                {"queue_depth"},
		"http_requests_per_second":                   nil, // of a pod that computes it itself it would hide the counters'
		"latency_seconds_bucket":                     nil,
		"latency_seconds_sum":                        nil,
		"latency_seconds_count":                      nil,
	} {
		var got []string
		for _, r := range rules.Custom {
			if name, ok := r.MetricName(series); ok && selects(t, r, series) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", series, diff)
		}
	}
}

// selects says whether a rule's seriesQuery selects a series of this name.
func selects(t *testing.T, r *rule.Rule, name string) bool {
	t.Helper()
	matchers, err := rule.NewParser().ParseMetricSelector(r.SeriesSelector())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range matchers {
		if m.Name == "__name__" && !m.Matches(name) {
			return false
		}
	}
	return true
}

func TestWhatIsWantedIsKept(t *testing.T) {
	rules := compile(t)
	exported := []string{"http_requests_total", "http_request_duration_seconds_count", "http_request_duration_seconds_bucket", "jobs_done_total", "queue_depth", "go_goroutines", "process_cpu_seconds_total"}
	for name, want := range map[string][]string{
		"http_requests_per_second": {"http_requests_total", "http_request_duration_seconds_count"},
		"jobs_done_per_second":     {"jobs_done_total"},
		"queue_depth":              {"queue_depth"},
		"nobody_exports_this":      nil,
	} {
		f := new(wanted.Maker).Of(rules, []metric.Identifier{{API: metric.Custom, Metric: name, Resource: schema.GroupResource{Resource: "pods"}}}, nil)
		var kept []string
		for _, series := range exported {
			if f.Keep(series) {
				kept = append(kept, series)
			}
		}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("%s keeps of %q (-want +got):\n%s", name, f.String(), diff)
		}
	}
}

// world is an engine with samples of ours.
type world struct {
	*engine.Engine
	now time.Time
	t   *testing.T
}

func open(t *testing.T) *world {
	w := &world{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), t: t}
	var err error
	if w.Engine, err = engine.Open(engine.Config{Dir: t.TempDir(), Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func (w *world) scrape(line string) {
	w.t.Helper()
	ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
	if err != nil {
		w.t.Fatal(err)
	}
	app := w.Appender(w.t.Context(), "a", func(string) bool { return true })
	if _, err := app.Append(0, ls, 0, w.now.UnixMilli(), values[0].Value, nil, nil, storage.AOptions{}); err != nil {
		w.t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// value is that of a metric by the rule that gives it for a series, of the pods of shop.
func (w *world) value(rules *rule.Set, series, name string) string {
	w.t.Helper()
	for _, r := range rules.Custom {
		if got, ok := r.MetricName(series); !ok || got != name || !selects(w.t, r, series) {
			continue
		}
		q, err := r.Query(mapper(), rule.QueryInput{Series: series, Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop"})
		if err != nil {
			w.t.Fatal(err)
		}
		answer, err := w.Query(w.t.Context(), q.PromQL)
		if err != nil {
			w.t.Fatal(err)
		}
		var all []string
		for _, s := range answer.Samples {
			all = append(all, fmt.Sprintf("%s=%.4g", s.Labels.Get("pod"), s.Value))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	w.t.Fatalf("no rule gives %s of %s", name, series)
	return ""
}

// A counter that rises by 50 at each scrape has a rate of 10. x stands for a scrape that
// failed. Of a restart it is what PromQL makes of it: what was counted between the last scrape
// and the restart nobody has seen, and below zero there was nothing.
func TestRates(t *testing.T) {
	const x = -1
	for name, tc := range map[string]struct {
		scrapes []float64
		want    string
	}{
		"the first scrape":             {[]float64{100}, ""},
		"the second":                   {[]float64{100, 150}, "a=10"},
		"half a window":                {[]float64{100, 150, 200}, "a=10"},
		"a window":                     {[]float64{100, 150, 200, 250}, "a=10"},
		"more":                         {[]float64{100, 150, 200, 250, 300, 350}, "a=10"},
		"one failed":                   {[]float64{100, 150, 200, x, 300}, "a=10"},
		"two failed":                   {[]float64{100, 150, x, x, 300}, "a=10"},
		"three failed":                 {[]float64{100, 150, x, x, x, 350}, ""}, // one is left in the window
		"the newest failed":            {[]float64{100, 150, 200, 250, x}, "a=10"},
		"it was restarted":             {[]float64{100, 150, 200, 0, 50}, "a=6.667"},
		"it was restarted a while ago": {[]float64{100, 150, 0, 50, 100, 150}, "a=8"},
		"nothing happens":              {[]float64{7, 7, 7, 7, 7}, "a=0"},
	} {
		t.Run(name, func(t *testing.T) {
			w, rules := open(t), compile(t)
			for _, v := range tc.scrapes {
				w.now = w.now.Add(interval)
				if v != x {
					w.scrape(fmt.Sprintf(`jobs_done_total{namespace="shop",pod="a",kind="k"} %v`, v))
				}
			}
			w.now = w.now.Add(time.Second)
			if got := w.value(rules, "jobs_done_total", "jobs_done_per_second"); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Pods count their requests under different names, and some under two.
func TestRequestsUnderDifferentNames(t *testing.T) {
	w, rules := open(t), compile(t)
	for i := range 5 {
		w.now = w.now.Add(interval)
		n := 50 * (i + 1)
		w.scrape(fmt.Sprintf(`http_requests_total{namespace="shop",pod="go",code="200"} %d`, n))
		w.scrape(fmt.Sprintf(`http_requests_total{namespace="shop",pod="go",code="500"} %d`, n))
		w.scrape(fmt.Sprintf(`http_server_requests_seconds_count{namespace="shop",pod="java",uri="/"} %d`, n))
		w.scrape(fmt.Sprintf(`http_server_request_duration_seconds_count{namespace="shop",pod="otel"} %d`, n))
		w.scrape(fmt.Sprintf(`http_requests_total{namespace="shop",pod="both"} %d`, n))
		w.scrape(fmt.Sprintf(`http_request_duration_seconds_count{namespace="shop",pod="both"} %d`, n))
		w.scrape(fmt.Sprintf(`http_requests_received_total{namespace="shop",pod="net"} %d`, n))
		w.scrape(fmt.Sprintf(`http_requests_total{namespace="other",pod="go"} %d`, n))
	}
	want := "both=10 go=20 java=10 net=10 otel=10"
	if got := w.value(rules, "http_server_requests_seconds_count", "http_requests_per_second"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestGauges(t *testing.T) {
	w, rules := open(t), compile(t)
	w.now = w.now.Add(interval)
	w.scrape(`in_flight{namespace="shop",pod="a",route="/"} 2`)
	w.scrape(`in_flight{namespace="shop",pod="a",route="/x"} 3`)
	if got := w.value(rules, "in_flight", "in_flight"); got != "a=5" {
		t.Errorf("%q, want a=5", got)
	}
}

// The window has the samples of four scrapes wherever it begins between two of them.
func TestTheWindowFollowsTheInterval(t *testing.T) {
	for interval, want := range map[time.Duration]string{5 * time.Second: "[20s]", 15 * time.Second: "[1m]", 500 * time.Millisecond: "[2s]", 30 * time.Second: "[2m]"} {
		text := string(builtin.Rules(interval))
		if !strings.Contains(text, want) || strings.Contains(text, "[WINDOW]") {
			t.Errorf("at an interval of %s there is no window %s", interval, want)
		}
		if _, err := rule.Compile([]byte(text)); err != nil {
			t.Errorf("at an interval of %s: %v", interval, err)
		}
	}
}
