package scrape_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// interval is that of the tests.
const interval = 100 * time.Millisecond

// world is a scraper, and what takes its samples.
type world struct {
	*scrape.Scraper
	*engine.Engine
	t testing.TB
}

func start(t testing.TB, with ...func(*scrape.Config, *engine.Config)) *world {
	t.Helper()
	c, e := scrape.Config{Interval: interval}, engine.Config{Dir: t.TempDir()}
	for _, change := range with {
		change(&c, &e)
	}
	w := &world{t: t}
	var err error
	if w.Engine, err = engine.Open(e); err != nil {
		t.Fatal(err)
	}
	if w.Scraper, err = scrape.New(c, w.Engine); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Scraper.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, w.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// exporter serves one handler, and closes with the test. It is closed after what scrapes it
// has ended only if it is made first.
func exporter(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, text)
	}
}

// pod is a target in the namespace shop.
func pod(t testing.TB, name string, server *httptest.Server) target.Target {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return target.Target{Namespace: "shop", Pod: name, Node: "n1", Address: netip.MustParseAddrPort(u.Host), Scheme: u.Scheme, Path: "/metrics"}
}

// loopback lets servers of tests be scraped.
func loopback() target.Fence { return target.Fence{Loopback: true} }

// eventually waits until check has nothing to say any more.
func eventually(t testing.TB, check func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		said := check()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
	}
}

// has waits until a query gives these samples, sorted.
func (w *world) has(query string, want ...string) {
	w.t.Helper()
	eventually(w.t, func() string {
		answer, err := w.Query(w.t.Context(), query)
		if err != nil {
			w.t.Fatal(err)
		}
		var got []string
		for _, s := range answer.Samples {
			got = append(got, fmt.Sprintf("%s %v", s.Labels, s.Value))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("%s (-want +got):\n%s", query, diff)
		}
		return ""
	})
}

// fails waits until the scrape of a target has failed with a text.
func (w *world) fails(of target.Target, text string) {
	w.t.Helper()
	eventually(w.t, func() string {
		for _, s := range w.Status() {
			if s.Target == of.ID() && s.Err != nil {
				if !strings.Contains(s.Err.Error(), text) {
					w.t.Fatalf("%s: %v, want %q", s.Target, s.Err, text)
				}
				return ""
			}
		}
		return fmt.Sprintf("no failed scrape among %v", w.Status())
	})
}

func TestLabelsAreThoseOfDiscovery(t *testing.T) {
	text := `depth{namespace="kube-system",pod="other",node="n9",instance="i",job="j",exported_namespace="x",queue="q"} 1` + "\n"
	server := exporter(t, says(text))
	p := pod(t, "a", server)
	queue := pod(t, "q", exporter(t, says(text)))
	queue.Exporter = "queue"
	honored := pod(t, "h", exporter(t, says(text)))
	honored.Exporter, honored.Honor = "honored", true
	cheat := pod(t, "c", exporter(t, says(text)))
	cheat.Honor = true // without being an exporter
	w := start(t)
	w.Set([]target.Target{p, queue, honored, cheat}, loopback(), wanted.Everything())
	exported := `exported_exported_namespace="kube-system", exported_instance="i", exported_job="j", exported_namespace="x", exported_node="n9", exported_pod="other", `
	w.has(`depth{pod="a"}`, fmt.Sprintf(`{__name__="depth", %sinstance="%s", job="pods", namespace="shop", node="n1", pod="a", queue="q"} 1`, exported, p.Address))
	w.has(`depth{pod="q"}`, fmt.Sprintf(`{__name__="depth", %sinstance="%s", job="queue", namespace="shop", node="n1", pod="q", queue="q"} 1`, exported, queue.Address))
	w.has(`count(depth{pod="c",namespace="shop"})`, `{} 1`)
	w.has(`depth{namespace="kube-system"}`, `{__name__="depth", exported_namespace="x", instance="i", job="j", namespace="kube-system", node="n9", pod="other", queue="q"} 1`)
}

func TestTimestampsAreOurs(t *testing.T) {
	past, future := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(9*time.Minute).UnixMilli()
	a := pod(t, "a", exporter(t, says(fmt.Sprintf("old 1 %d\nyoung 2 %d\nodd NaN\nlarge +Inf\n", past, future))))
	b := pod(t, "b", exporter(t, says("other 3\n")))
	w := start(t)
	w.Set([]target.Target{a, b}, loopback(), wanted.Everything())
	w.has(`sum(old)`, `{} 1`)
	w.has(`sum(young)`, `{} 2`)
	w.has(`sum(odd)`, `{} NaN`)
	w.has(`sum(large)`, `{} +Inf`)
	w.has(`count(count_over_time(other[1m]) > 3)`, `{} 1`)
}

func TestOnlyWhatIsWantedIsKept(t *testing.T) {
	rules, err := rule.Compile([]byte(`
rules:
- seriesQuery: '{__name__=~".+_total",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
`))
	if err != nil {
		t.Fatal(err)
	}
	filter := func(names ...string) wanted.Filter {
		var ids []metric.Identifier
		for _, n := range names {
			ids = append(ids, metric.Identifier{API: metric.Custom, Metric: n, Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}})
		}
		return new(wanted.Maker).Of(rules, ids, nil)
	}
	p := pod(t, "a", exporter(t, says("a_total 1\nb_total 2\nc_total 3\nd 4\n")))
	w := start(t)
	names := func(want ...string) {
		t.Helper()
		eventually(t, func() string {
			answer, err := w.Query(t.Context(), `{__name__!=""}`)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range answer.Samples {
				got = append(got, s.Labels.Get("__name__"))
			}
			slices.Sort(got)
			return cmp.Diff(want, got)
		})
	}
	w.Set([]target.Target{p}, loopback(), filter("a_per_second"))
	names("a_total")
	w.Set([]target.Target{p}, loopback(), filter("a_per_second", "b_per_second"))
	names("a_total", "b_total")
	w.Set([]target.Target{p}, loopback(), filter("c_per_second"))
	names("c_total") // the others have ended
	w.Set([]target.Target{p}, loopback(), wanted.Filter{})
	names()
	if held := w.Holding().Series; held != 3 {
		t.Errorf("%d series are held, want the three that were wanted", held)
	}
}

// Two pods of two namespaces export the same names, and an exporter them of anybody. Each is
// kept only as far as its own namespace wants it, also where the names of all that is wanted
// stay the same; and it ends when that does not want it any more.
func TestEachNamespaceHasWhatItWants(t *testing.T) {
	text := "x 1\ny 2\nz 3\n"
	a, b, e := pod(t, "a", exporter(t, says(text))), pod(t, "b", exporter(t, says(text))), pod(t, "e", exporter(t, says(text)))
	b.Namespace, e.Exporter = "other", "e"
	targets := []target.Target{a, b, e}
	filter := func(queries ...string) wanted.Filter { return new(wanted.Maker).Of(&rule.Set{}, nil, queries) }
	w := start(t, func(_ *scrape.Config, e *engine.Config) { e.Lookback = 9 * time.Minute }) // nothing ends by itself
	settled := func() {
		t.Helper()
		eventually(t, func() string {
			if _, ok := w.Settled(); !ok {
				return "it still waits"
			}
			return ""
		})
	}
	const held = `count({__name__=~"x|y|z"}) by (pod, __name__)`
	x, y := func(pod string) string { return fmt.Sprintf(`{__name__="x", pod="%s"} 1`, pod) }, func(pod string) string { return fmt.Sprintf(`{__name__="y", pod="%s"} 1`, pod) }

	w.Set(targets, loopback(), filter(`x{namespace="shop"}`, `y{namespace="other"}`))
	settled()
	w.has(held, x("a"), x("e"), y("b"), y("e"))
	if n := w.Holding().Series; n != 4 {
		t.Errorf("%d series are held, want 4", n)
	}
	w.Set(targets, loopback(), filter(`x{namespace="shop"}`, `y{namespace="other"}`, `x{namespace="other"}`))
	settled()
	w.has(held, x("a"), x("b"), x("e"), y("b"), y("e"))
	w.Set(targets, loopback(), filter(`y{namespace="shop"}`, `x{namespace="other"}`))
	settled()
	w.has(held, x("b"), x("e"), y("a"), y("e"))
	w.Set(targets, loopback(), filter(`x{namespace="shop"}`, `x`, `y{namespace="other"}`))
	settled()
	w.has(held, x("a"), x("b"), x("e"), y("b"), y("e")) // what has ended goes on
	w.Set(targets, loopback(), filter(`x{namespace="third"}`))
	settled()
	w.has(held, x("e"))
}

// Whether a scrape went well is a series like any other, and a scrape does not fail for that
// it is not kept any more.
func TestUpIsNotKeptAnyMore(t *testing.T) {
	a, b := pod(t, "a", exporter(t, says("x 1\n"))), pod(t, "b", exporter(t, says("x 1\n")))
	b.Namespace = "other"
	filter := func(queries ...string) wanted.Filter { return new(wanted.Maker).Of(&rule.Set{}, nil, queries) }
	w := start(t)
	w.Set([]target.Target{a, b}, loopback(), filter(`up{namespace="shop"}`, `up{namespace="other"}`, `x`))
	w.has(`sum(up) by (pod)`, `{pod="a"} 1`, `{pod="b"} 1`)
	w.Set([]target.Target{a, b}, loopback(), filter(`up{namespace="shop"}`, `x`))
	w.has(`count(count_over_time(up[1s]) > 2) by (pod)`, `{pod="a"} 1`)
	w.has(`count(count_over_time(x[1s]) > 5) by (pod)`, `{pod="a"} 1`, `{pod="b"} 1`)
}

// Another filter is in use at once, and no scrape begins anew for it.
func TestSettled(t *testing.T) {
	named := func(names ...string) wanted.Filter { return new(wanted.Maker).Of(&rule.Set{}, nil, names) }
	var scrapes atomic.Int64
	targets := []target.Target{pod(t, "a", exporter(t, func(w http.ResponseWriter, r *http.Request) {
		scrapes.Add(1)
		says("x 1\ny 1\n")(w, r)
	}))}
	w := start(t, func(c *scrape.Config, _ *engine.Config) { c.Interval = 500 * time.Millisecond })
	settles := func() (since time.Time) {
		t.Helper()
		eventually(t, func() string {
			var ok bool
			if since, ok = w.Settled(); !ok {
				return "it still waits"
			}
			return ""
		})
		return since
	}
	if since, ok := w.Settled(); ok {
		t.Fatalf("settled since %s, before anything is scraped", since)
	}
	w.Set(targets, loopback(), named("x"))
	first := settles()
	w.has(`count(x)`, `{} 1`)
	w.has(`count(y)`)
	for i := range 20 { // as HPAs come and go
		w.Set(targets, loopback(), named("x", fmt.Sprint("y", i)))
	}
	w.Set(targets, loopback(), named("x", "y"))
	if second := settles(); !second.After(first) {
		t.Errorf("settled at %s, which is not after %s", second, first)
	}
	w.has(`count(y)`, `{} 1`)
	w.has(`count(count_over_time(x[10s]) >= 4)`, `{} 1`)
	if n, most := scrapes.Load(), int64(time.Since(first)/(500*time.Millisecond))+2; n > most {
		t.Errorf("%d scrapes since %s, where %d are due", n, time.Since(first), most)
	}
}

func TestTargetsComeAndGo(t *testing.T) {
	a, b := pod(t, "a", exporter(t, says("x 1\n"))), pod(t, "b", exporter(t, says("x 2\n")))
	w := start(t)
	w.Set([]target.Target{a}, loopback(), wanted.Everything())
	w.has(`sum(x) by (pod)`, `{pod="a"} 1`)
	w.Set([]target.Target{a, b}, loopback(), wanted.Everything())
	w.has(`sum(x) by (pod)`, `{pod="a"} 1`, `{pod="b"} 2`)
	w.Set([]target.Target{b}, loopback(), wanted.Everything())
	w.has(`sum(x) by (pod)`, `{pod="b"} 2`)
	w.Set(nil, loopback(), wanted.Everything())
	w.has(`sum(x) by (pod)`)
	if left := w.Status(); len(left) != 0 {
		t.Errorf("still scraped: %v", left)
	}
}

// What a pod counted that is gone is in no rate any more, beside that of the pod that has taken
// over from it.
func TestWhatIsGoneIsInNoRate(t *testing.T) {
	var count atomic.Int64
	counts := func(w http.ResponseWriter, r *http.Request) { says(fmt.Sprintf("c_total %d\n", count.Add(1)))(w, r) }
	a, b := pod(t, "a", exporter(t, counts)), pod(t, "b", exporter(t, counts))
	exporters := pod(t, "e", exporter(t, says("c_total{namespace=\"shop\",pod=\"b\"} 1\n")))
	exporters.Exporter, exporters.Honor = "e", true
	w := start(t)
	w.Set([]target.Target{a, exporters}, loopback(), wanted.Everything())
	w.has(`count(count_over_time(c_total[1m]) >= 5) by (pod)`, `{pod="a"} 1`, `{pod="b"} 1`)
	w.Set([]target.Target{b}, loopback(), wanted.Everything())
	w.has(`count(count_over_time(c_total[1m]) >= 5) by (pod, job)`, `{job="e", pod="b"} 1`, `{job="pods", pod="b"} 1`)
	moved := b
	moved.Path = "/other" // what it counted is its own
	w.Set([]target.Target{moved}, loopback(), wanted.Everything())
	time.Sleep(2 * time.Second)
	w.has(`count(count_over_time(c_total{job="pods"}[1m]) >= 20) by (pod, job)`, `{job="pods", pod="b"} 1`)
	w.Set([]target.Target{a, b}, loopback(), wanted.Everything()) // it comes back
	w.has(`count(count_over_time(c_total[1m]) >= 5) by (pod, job)`, `{job="e", pod="b"} 1`, `{job="pods", pod="a"} 1`, `{job="pods", pod="b"} 1`)
}

// Each target that misbehaves is its own problem: the good one beside it is scraped on.
func TestTargetsThatMisbehave(t *testing.T) {
	released := make(chan struct{})
	elsewhere := exporter(t, says("stolen 1\n"))
	endless := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(w, "endless{i=\"%d\"} 1\n", i); err != nil {
				return
			}
		}
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		fails   string
	}{
		"hangs": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}, "context deadline exceeded"},
		"trickles": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "# comment\n")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, "context deadline exceeded"},
		"never ends":       {endless, "body size limit exceeded"},
		"never ends, gzip": {func(w http.ResponseWriter, r *http.Request) { squeezed(w, r, endless) }, "exceeded"},
		"says something else": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>hello</html>\n")
		}, "expected"},
		"fails":            {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "x", http.StatusInternalServerError) }, "500"},
		"resets":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"says too much":    {says(strings.Repeat("a", 3) + " 1\n" + many(200)), "sample limit exceeded"},
		"has a long label": {says(`a{b="` + strings.Repeat("x", 3000) + `"} 1` + "\n"), "label_value_length_limit exceeded"},
		"has many labels":  {says("a{" + manyLabels(70) + "} 1\n"), "label_limit exceeded"},
		"lies about its length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "a 1\n")
		}, "unexpected EOF"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "302"},
		"is no gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "this is no gzip at all 1\n")
		}, "gzip"},
		"breaks off in a line": {says("a 1\nb{c=\"d"), "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := pod(t, "good", exporter(t, says("x 1\n"))), pod(t, "bad", exporter(t, tc.handler))
			w := start(t, func(c *scrape.Config, _ *engine.Config) { c.SampleLimit, c.BodySizeLimit = 100, 1<<16 })
			w.Set([]target.Target{good, bad}, loopback(), wanted.Everything())
			w.fails(bad, tc.fails)
			w.has(`count({pod="bad",__name__!~"up|scrape_.*"})`)
			w.has(`count_over_time(x{pod="good"}[1s]) >= bool 5`, `{instance="`+good.Address.String()+`", job="pods", namespace="shop", node="n1", pod="good"} 1`)
		})
	}
	close(released)
}

func squeezed(w http.ResponseWriter, r *http.Request, handler http.HandlerFunc) {
	w.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(w)
	defer zip.Close()
	handler(zipped{w, zip}, r)
}

type zipped struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func (z zipped) Write(p []byte) (int, error) { return z.zip.Write(p) }

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "m{i=\"%d\"} 1\n", i)
	}
	return b.String()
}

func manyLabels(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("l%d=\"x\"", i))
	}
	return strings.Join(all, ",")
}

func TestDuplicatesAndResets(t *testing.T) {
	var count atomic.Int64
	p := pod(t, "a", exporter(t, func(w http.ResponseWriter, r *http.Request) {
		n := count.Add(1)
		says(fmt.Sprintf("twice{a=\"b\"} 1\ntwice{a=\"b\"} 2\nc_total %d\n", n%10))(w, r)
	}))
	w := start(t)
	w.Set([]target.Target{p}, loopback(), wanted.Everything())
	w.has(`count(twice)`, `{} 1`)
	w.has(`count(resets(c_total[1m]) > 0)`, `{} 1`)
	w.has(`count(rate(c_total[1m]) > 0)`, `{} 1`)
}

func TestNothingIsSentButTheRequest(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	t.Setenv("http_proxy", "http://192.0.2.1:1")
	t.Setenv("NO_PROXY", "")
	var mu sync.Mutex
	var got http.Header
	server := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = r.Header.Clone()
		mu.Unlock()
		says("x 1\n")(w, r)
	})
	w := start(t, func(c *scrape.Config, _ *engine.Config) { c.Version = "v1" })
	w.Set([]target.Target{pod(t, "a", server)}, loopback(), wanted.Everything())
	w.has(`sum(x)`, `{} 1`)
	mu.Lock()
	defer mu.Unlock()
	for name := range got {
		switch name {
		case "Accept", "Accept-Encoding", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds":
		default:
			t.Errorf("%s: %q is sent", name, got[name])
		}
	}
	if agent := got.Get("User-Agent"); agent != "loadline-adapter/v1" {
		t.Errorf("User-Agent %q", agent)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var mu sync.Mutex
	from := map[string]bool{}
	requests := 0
	server := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		from[r.RemoteAddr], requests = true, requests+1
		mu.Unlock()
		says("x 1\n")(w, r)
	})
	w := start(t)
	w.Set([]target.Target{pod(t, "a", server)}, loopback(), wanted.Everything())
	eventually(t, func() string {
		mu.Lock()
		defer mu.Unlock()
		if requests < 5 {
			return fmt.Sprintf("%d scrapes", requests)
		}
		return ""
	})
	mu.Lock()
	defer mu.Unlock()
	if len(from) > 1 {
		t.Errorf("%d connections for %d scrapes", len(from), requests)
	}
}

func TestHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(says("x 1\n"))
	t.Cleanup(server.Close)
	w := start(t)
	w.Set([]target.Target{pod(t, "a", server)}, loopback(), wanted.Everything())
	w.has(`sum(x)`, `{} 1`)
}

// What may not be reached is not dialled, also if it is among the targets.
func TestWhatMayNotBeReached(t *testing.T) {
	var reached atomic.Bool
	server := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Store(true)
		says("x 1\n")(w, r)
	})
	p := pod(t, "a", server)
	w := start(t)
	w.Set([]target.Target{p}, target.Fence{}, wanted.Everything())
	w.fails(p, "is loopback")
	if reached.Load() {
		t.Error("loopback is reached")
	}
	denied := loopback()
	denied.Denied = map[netip.Addr]string{p.Address.Addr(): "the API server"}
	w.Set([]target.Target{p}, denied, wanted.Everything())
	eventually(t, func() string {
		if s := w.Status(); len(s) == 1 && s[0].Err != nil && strings.Contains(s[0].Err.Error(), "the API server") {
			return ""
		}
		return fmt.Sprintf("%v", w.Status())
	})
	if reached.Load() {
		t.Error("what is denied is reached")
	}
	w.Set([]target.Target{p}, loopback(), wanted.Everything())
	w.has(`sum(x)`, `{} 1`)
}

func TestTheCeiling(t *testing.T) {
	old, young := pod(t, "old", exporter(t, says(many(8)))), pod(t, "young", exporter(t, says(many(8))))
	w := start(t, func(_ *scrape.Config, e *engine.Config) { e.MaxSeries = 14 })
	rules, err := rule.Compile([]byte("externalRules:\n- {seriesQuery: m, resources: {namespaced: false}, metricsQuery: sum(m)}\n"))
	if err != nil {
		t.Fatal(err)
	}
	only := new(wanted.Maker).Of(rules, []metric.Identifier{{API: metric.External, Metric: "m"}}, nil)
	w.Set([]target.Target{old}, loopback(), only)
	w.has(`count(m) by (pod)`, `{pod="old"} 8`)
	w.Set([]target.Target{old, young}, loopback(), only)
	w.fails(young, "there is no room for the series of another target")
	w.has(`count(m) by (pod)`, `{pod="old"} 8`)
	if refused := w.Holding().Refused; len(refused) != 1 || refused[0].Target != young.ID() {
		t.Errorf("refused are %v", refused)
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		config scrape.Config
		want   string
	}{
		"defaults":           {scrape.Config{}, ""},
		"a short interval":   {scrape.Config{Interval: time.Millisecond}, "the scrape interval must be at least 50ms\nthe scrape time-out must be at least a millisecond"},
		"a long time-out":    {scrape.Config{Timeout: 6 * time.Second}, "the scrape time-out (6s) must not be longer than the interval (5s)"},
		"a negative limit":   {scrape.Config{SampleLimit: -1}, "the limits of a scrape must be positive"},
		"a negative timeout": {scrape.Config{Timeout: -1}, "the scrape time-out must be at least a millisecond"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := tc.config.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
