package serving

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		env     map[string]string
		args    []string
		want    Options
		wantErr string
	}{
		"defaults":            {want: Options{Port: 8080, MetricsPort: 9090, Drain: 5 * time.Second, Grace: 10 * time.Second}},
		"environment":         {env: map[string]string{"LISTEN_HOST": "10.244.0.7", "LISTEN_PORT": "81", "DRAIN": "1s"}, want: Options{Host: "10.244.0.7", Port: 81, MetricsPort: 9090, Drain: time.Second, Grace: 10 * time.Second}},
		"arguments win":       {env: map[string]string{"LISTEN_PORT": "81"}, args: []string{"--listen-port=82"}, want: Options{Port: 82, MetricsPort: 9090, Drain: 5 * time.Second, Grace: 10 * time.Second}},
		"two wrong variables": {env: map[string]string{"LISTEN_PORT": "x", "DRAIN": "y"}, wantErr: "environment variable DRAIN: \"y\": parse error\nenvironment variable LISTEN_PORT: \"x\": parse error"},
		"unset reference":     {env: map[string]string{"LISTEN_HOST": "$(POD_IP)"}, wantErr: `environment variable LISTEN_HOST: "$(POD_IP)" refers to a variable that was not set; does the Service exist?`},
		"stray argument":      {args: []string{"x"}, wantErr: `unexpected argument "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			var got Options
			fs := flag.NewFlagSet("test", flag.ContinueOnError)
			got.AddFlags(fs)
			err := Parse(fs, tc.args, func(k string) string { return tc.env[k] }, io.Discard)
			if text := errText(err); text != tc.wantErr {
				t.Fatalf("error %q, want %q", text, tc.wantErr)
			}
			if err == nil {
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestProcessLife(t *testing.T) {
	ln, err := Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	cause := errors.New("no queue yet")
	ready := make(chan error, 1)
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "x_total", Help: "x"}))
	p := Process{Metrics: reg, Log: slog.New(slog.DiscardHandler), Ready: func() error { return <-ready }}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	finish, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- p.run(ctx, ln, func(ctx context.Context) error { <-ctx.Done(); <-finish; return nil })
	}()
	expect := func(path string, code int, text string) {
		t.Helper()
		if c, body := get(t, url+path); c != code || !strings.Contains(body, text) {
			t.Errorf("%s: %d %q, want %d %q", path, c, body, code, text)
		}
	}
	ready <- cause
	expect("/readyz", 503, "no queue yet")
	expect("/healthz", 200, "ok")
	ready <- nil
	expect("/readyz", 200, "ok")
	expect("/metrics", 200, "x_total 0")
	cancel()
	// While the work ends, the process is alive, measured and not ready.
	expect("/readyz", 503, "stopping")
	expect("/healthz", 200, "ok")
	expect("/metrics", 200, "x_total 0")
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHTTPLetsOpenRequestsFinish(t *testing.T) {
	ln, err := Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	begun, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		fmt.Fprint(w, "finished")
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- HTTP(ctx, ln, h, Options{Grace: 10 * time.Second}, slog.New(slog.DiscardHandler)) }()
	body := make(chan string, 1)
	go func() {
		_, b := get(t, "http://"+ln.Addr().String())
		body <- b
	}()
	<-begun
	cancel()
	close(finish)
	if b := <-body; b != "finished" {
		t.Errorf("body %q", b)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestHTTPDrains: a process that was asked to stop goes on answering, on the
// connections that clients kept and on new ones, and each answer ends its
// connection; afterwards nothing listens any more.
func TestHTTPDrains(t *testing.T) {
	ln, err := Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	drained, done := make(chan struct{}), make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	go func() { done <- serve(ctx, ln, h, func() { <-drained }, time.Second, slog.New(slog.DiscardHandler)) }()

	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func() (from string, closes bool) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body), resp.Close
	}
	first, closes := ask()
	if closes {
		t.Error("a running process closed a connection")
	}
	cancel()
	if kept, closes := ask(); kept != first || !closes {
		t.Errorf("on the kept connection: from %s, closed: %t; want from %s, closed", kept, closes, first)
	}
	if fresh, closes := ask(); fresh == first || !closes {
		t.Errorf("the next one: from %s, closed: %t; want from a new connection, closed", fresh, closes)
	}
	close(drained)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("something still listens")
	}
}

func TestInstrument(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := Instrument(reg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(400)
		}
	}))
	expect := func(samples string) {
		t.Helper()
		want := "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n" + samples
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "http_requests_total"); err != nil {
			t.Error(err)
		}
	}
	expect("http_requests_total{code=\"200\",method=\"get\"} 0\n")
	for _, r := range []struct{ method, path string }{{"GET", "/"}, {"GET", "/"}, {"POST", "/bad"}, {"BREW", "/"}, {"STIR", "/"}} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.method, r.path, nil))
	}
	expect("http_requests_total{code=\"200\",method=\"get\"} 2\n" +
		"http_requests_total{code=\"200\",method=\"unknown\"} 2\n" +
		"http_requests_total{code=\"400\",method=\"post\"} 1\n")
}
