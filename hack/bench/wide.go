package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/prometheus"
)

const (
	// ChildFlag has the program be the process whose memory is measured.
	ChildFlag = "discover"
	// wideNames is how many metric names the series have.
	wideNames = 100
	wideAge   = time.Hour
	// wideRule matches nearly everything, as the default rules of prometheus-adapter's
	// Helm chart do.
	wideRule = `rules:
- seriesQuery: '{namespace!="",__name__!~"^container_.*"}'
  seriesFilters: [{isNot: '.*_seconds_total$'}]
  resources: {template: <<.Resource>>}
  name: {matches: '^(.*)_total$'}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[5m])) by (<<.GroupBy>>)
`
)

// WideReport is what a discovery through a wide rule costs.
type WideReport struct {
	Command   string
	Series    int
	Names     int   // of metrics, as they are listed
	Bytes     int64 // of all answers to the discovery
	Requests  int64
	FullBytes int64 // of the answer that has each series, which it did without
	PeakBytes int64 // resident memory of the process that discovered
	Took      time.Duration
}

// Write prints the report.
func (r *WideReport) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "\n%s\none rule that matches %d series of %d names\n  names listed             %d, after %s\n  bytes fetched            %d in %d requests, %.2f%% of the %d bytes of /api/v1/series\n  peak resident memory     %.0f MiB, of a process that does nothing else\n",
		r.Command, r.Series, wideNames, r.Names, r.Took.Round(time.Millisecond), r.Bytes, r.Requests, 100*float64(r.Bytes)/float64(r.FullBytes), r.FullBytes, float64(r.PeakBytes)/(1<<20))
	return err
}

// RunWide has a Prometheus scrape the series, and a process of its own discover them.
func RunWide(ctx context.Context, o Options) (report *WideReport, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	exporter := &http.Server{Handler: wideExporter(o.Wide), ReadTimeout: 5 * time.Second, WriteTimeout: time.Minute}
	go func() { _ = exporter.Serve(listener) }() // Close ends it
	defer exporter.Close()
	o.say("Prometheus scrapes %d series", o.Wide)
	p, err := cluster.StartPrometheus(ctx, cluster.PromOptions{Log: o.Log, ConfigYAML: fmt.Sprintf(`global: {scrape_interval: 30s, scrape_timeout: 29s}
scrape_configs:
- job_name: wide
  honor_labels: true
  static_configs: [{targets: [%q]}]
`, listener.Addr())})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	source, err := prometheus.New(prometheus.Config{URL: p.URL(), Method: http.MethodGet})
	if err != nil {
		return nil, err
	}
	defer source.CloseIdleConnections()
	err = lab.Until(ctx, "the series", 2*time.Minute, func(ctx context.Context) (bool, string) {
		a, err := source.Query(ctx, `count({namespace!="",__name__=~"wide_.*"})`)
		if err != nil || len(a.Samples) == 0 {
			return false, fmt.Sprint(err)
		}
		return int(a.Samples[0].Value) == o.Wide, fmt.Sprint(a.Samples[0].Value)
	})
	if err != nil {
		return nil, err
	}
	report = &WideReport{Command: o.Command, Series: o.Wide}
	o.say("Discovery")
	if err := report.discover(ctx, p.URL()); err != nil {
		return nil, err
	}
	report.FullBytes, err = fullBytes(ctx, p.URL())
	return report, err
}

// wideExporter serves the series.
func wideExporter(series int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		out := bufio.NewWriterSize(w, 64<<10)
		for name := range wideNames {
			fmt.Fprintf(out, "# TYPE wide_%02d_total counter\n", name)
			for i := name; i < series; i += wideNames {
				fmt.Fprintf(out, "wide_%02d_total{namespace=\"team-%03d\",pod=\"app-7d9c5b6f48-%05d\",service=\"app\",path=\"/api/v1/reminders\",method=\"GET\",code=\"200\"} %d\n", name, i%500, i, i)
			}
		}
		_ = out.Flush() // a scraper that left is its own loss
	})
}

// found is what the process that discovers tells.
type found struct {
	Names     int
	PeakBytes int64
}

// discover runs it, and counts what it fetches.
func (r *WideReport) discover(ctx context.Context, base string) error {
	target, err := url.Parse(base)
	if err != nil {
		return err
	}
	var bytes, requests atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error {
		requests.Add(1)
		resp.Body = counted{resp.Body, &bytes}
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // Close ends it
	defer server.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	began := time.Now()
	child := exec.CommandContext(ctx, self, "--"+ChildFlag, "--url=http://"+listener.Addr().String())
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		return fmt.Errorf("the process that discovers: %w", err)
	}
	var f found
	if err := json.Unmarshal(out, &f); err != nil {
		return err
	}
	r.Names, r.PeakBytes, r.Bytes, r.Requests, r.Took = f.Names, f.PeakBytes, bytes.Load(), requests.Load(), time.Since(began)
	return nil
}

// counted counts what is read of an answer, as it comes over the wire.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// fullBytes is the size of the answer with each series, compressed as it would be sent.
func fullBytes(ctx context.Context, base string) (int64, error) {
	query := url.Values{"match[]": {`{namespace!="",__name__!~"^container_.*"}`}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/series?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // and the client does not unpack it
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, errors.New(resp.Status)
	}
	return io.Copy(io.Discard, resp.Body)
}

// Discover is the process that discovers: it prints how many metrics there are, and the
// most memory that it had.
func Discover(ctx context.Context, source string, w io.Writer) error {
	rules, err := rule.Compile([]byte(wideRule))
	if err != nil {
		return err
	}
	src, err := prometheus.New(prometheus.Config{URL: source, Method: http.MethodGet})
	if err != nil {
		return err
	}
	defer src.CloseIdleConnections()
	known := catalog.New(catalog.Options{Rules: rules, Source: src, Scopes: newWideScopes(), MaxAge: wideAge, Interval: wideAge, Now: time.Now})
	known.Relist(ctx)
	f := found{Names: known.Stats().Custom}
	if f.Names == 0 {
		return errors.New("nothing was discovered")
	}
	if f.PeakBytes, err = peakBytes(); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(f)
}

// wideScopes knows pods, namespaces and services.
type wideScopes struct{ *meta.DefaultRESTMapper }

func newWideScopes() wideScopes {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Service"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	return wideScopes{m}
}

func (wideScopes) Namespaced(gr schema.GroupResource) (bool, error) {
	return gr.Resource != "namespaces", nil
}

// peakBytes is VmHWM of this process (proc_pid_status(5)).
func peakBytes() (int64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(data), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil || !found {
		return 0, errors.New("/proc/self/status has no VmHWM")
	}
	return kib << 10, nil
}
