//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// front stands between the adapter and Prometheus, and can hang: it accepts and never
// answers, while Prometheus itself goes on.
type front struct {
	URL   string
	hangs atomic.Bool
}

// startFront starts one for the test's time.
func startFront(t *testing.T) *front {
	t.Helper()
	ctx, cancel := system.Waiting(t)
	defer cancel()
	prometheus, err := system.PrometheusURL(ctx)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(prometheus)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.hangs.Load() {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}
