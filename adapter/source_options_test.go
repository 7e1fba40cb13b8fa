package adapter

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What the source is told to stop at is --query-timeout, also where that is longer than
// the client's default. It is the deadline of the call by another name.
func TestQueryTimeoutReachesTheSource(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.FormValue("timeout")
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer server.Close()
	for name, timeout := range map[string]time.Duration{"shorter than the client's default": 2 * time.Second, "longer": time.Minute} {
		t.Run(name, func(t *testing.T) {
			o := NewOptions()
			o.Source.URL, o.QueryTimeout = server.URL, timeout
			src, err := o.Source.source(o.QueryTimeout)
			if err != nil {
				t.Fatal(err)
			}
			defer src.CloseIdleConnections()
			_, _ = src.Query(t.Context(), "1") // refused
			got, err := time.ParseDuration(<-asked)
			if err != nil || got > timeout || got < timeout-time.Second {
				t.Errorf("told %s (%v), want almost %s", got, err, timeout)
			}
		})
	}
}
