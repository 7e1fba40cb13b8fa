package bench

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server answers over HTTP/2, as API servers do.
func server(t *testing.T, http2 bool, h http.HandlerFunc) *Path {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return &Path{Client: s.Client(), Base: s.URL, URIs: []string{"/x"}, Check: items(2)}
}

func TestGet(t *testing.T) {
	for name, c := range map[string]struct {
		http2  bool
		status int
		body   string
		want   string // part of the error; empty: none
	}{
		"two values":      {true, 200, metricName + " " + metricName, ""},
		"one value":       {true, 200, metricName, "1 values, want 2"},
		"an error":        {true, 503, "away", "503 Service Unavailable: away"},
		"not over HTTP/2": {false, 200, metricName + " " + metricName, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := server(t, c.http2, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := p.Get(t.Context(), 0)
			switch {
			case err == nil && c.want != "":
				t.Errorf("no error, want %q", c.want)
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %q, want %q", err, c.want)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, want string
		err        string // part of it; empty: none
	}{
		"an answer":     {200, "12345678", "12345678", ""},
		"too long":      {200, "123456789", "", "more than 8 bytes"},
		"not an answer": {404, "none", "", "404 Not Found: none"},
	} {
		t.Run(name, func(t *testing.T) {
			p := server(t, true, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			got, err := fetch(t.Context(), p.Client, p.Base, "*/*", 8)
			if string(got) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestFloodCountsFailures(t *testing.T) {
	var asked, most, now atomic.Int64
	p := server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(metricName + metricName))
	})
	s := p.Flood(t.Context(), 50*time.Millisecond)
	if got := int64(len(s.Latencies) + s.Failed); got != asked.Load() || s.Failed == 0 || len(s.Latencies) == 0 {
		t.Errorf("%d answers and %d failures of %d requests", len(s.Latencies), s.Failed, asked.Load())
	}
	if !strings.Contains(s.LastError, "500") {
		t.Errorf("last error %q", s.LastError)
	}
	if most.Load() > workers {
		t.Errorf("%d requests at once, want at most %d", most.Load(), workers)
	}
}

func TestPaceEndsWithItsContext(t *testing.T) {
	p := server(t, true, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(metricName + metricName)) })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("enough"))
	defer cancel()
	samples := Pace(ctx, []*Path{p, p}, 1, 1000)
	if len(samples) != 2 || len(samples[0]) != 1000 || len(samples[0][0].Latencies) == 0 || samples[0][0].Took > 10*time.Second {
		t.Errorf("%d paths, %+v", len(samples), samples[0][0])
	}
}
