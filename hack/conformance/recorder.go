package conformance

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// recorder is a proxy in front of a source that keeps what is asked.
type recorder struct {
	next http.Handler

	mu    sync.Mutex
	asked []url.Values // the parameters of each query
	last  time.Time    // of the newest
}

func newRecorder(source *url.URL) *recorder {
	next := httputil.NewSingleHostReverseProxy(source)
	// An adapter that stops leaves its queries. Other failures it is told, with 502.
	next.ErrorLog = log.New(io.Discard, "", 0)
	return &recorder{next: next}
}

func (p *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v1/query" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		asked := r.URL.Query()
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, values := range form {
				asked[name] = append(asked[name], values...)
			}
		}
		p.mu.Lock()
		p.asked, p.last = append(p.asked, asked), time.Now()
		p.mu.Unlock()
	}
	p.next.ServeHTTP(w, r)
}

// mark is the present, for since.
func (p *recorder) mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// newest is when the newest query was sent.
func (p *recorder) newest() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// since are the parameters of the queries after a mark.
func (p *recorder) since(mark int) []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]url.Values(nil), p.asked[mark:]...)
}

// queries are the distinct PromQL expressions after a mark, sorted.
func (p *recorder) queries(mark int) []string {
	var all []string
	for _, asked := range p.since(mark) {
		all = append(all, asked.Get("query"))
	}
	return distinct(all)
}
