//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultRules give two metrics, depth and level, each by a query of its own.
const faultRules = `externalRules:
- seriesQuery: depth
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
- seriesQuery: level
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
`

// faultySource answers discovery rightly, and queries by one of its handlers.
type faultySource struct {
	URL string

	mu           sync.Mutex
	depth, level http.HandlerFunc // for queries that have the name in them
}

// startFaultySource starts a source of depth 7 and level 3 for the test's time.
func startFaultySource(t *testing.T) *faultySource {
	f := &faultySource{}
	f.set(vector("7"), vector("3"))
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

func (f *faultySource) set(depth, level http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.depth, f.level = depth, level
}

func (f *faultySource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/label") { // it is an old one, which is asked for series then
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/series") {
		fmt.Fprintf(w, `{"status":"success","data":[{"__name__":%q,"namespace":"default"}]}`, r.FormValue("match[]"))
		return
	}
	f.mu.Lock()
	answer := f.depth
	if strings.Contains(r.FormValue("query"), "level{") {
		answer = f.level
	}
	f.mu.Unlock()
	answer(w, r)
}

func write(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func vector(value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,%q]}]}}`, time.Now().Unix(), value)
	}
}

// hang accepts and never answers, or answers once released is closed, as a process
// does that goes on.
func hang(released <-chan struct{}, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// large is a good answer of exactly size bytes: 1,000 series with long labels,
// whose values are 0.008 each.
func large(size int) http.HandlerFunc {
	const series = 1_000
	return func(w http.ResponseWriter, _ *http.Request) {
		head, tail := `{"status":"success","data":{"resultType":"vector","result":[`, `]}}`
		left := size - len(head) - len(tail)
		var body strings.Builder
		body.WriteString(head)
		for i := range series {
			begin, end := fmt.Sprintf(`{"metric":{"n":"%d","pad":"`, i), fmt.Sprintf(`"},"value":[%d,"0.008"]}`, time.Now().Unix())
			if i < series-1 {
				end += ","
			}
			take := left / (series - i)
			body.WriteString(begin + strings.Repeat("x", take-len(begin)-len(end)) + end)
			left -= take
		}
		body.WriteString(tail)
		io.WriteString(w, body.String())
	}
}
