//go:build e2e

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// isWrite says whether a request writes an HPA or a policy's status, for good.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == "" &&
		(strings.Contains(r.URL.Path, "/horizontalpodautoscalers") || strings.Contains(r.URL.Path, "/autoscalingpolicies"))
}

// troubled stands between a controller and the API server.
type troubled struct {
	next http.RoundTripper
	// of says what becomes of a request that names an object of this name. write counts
	// the writes of it, from 1; it is 0 for a read.
	of map[string]func(write int) trouble

	mu     sync.Mutex
	paths  map[string]int // of writes
	writes map[string]int // by name
	came   map[string]int // troubles, by name
}

// trouble is what becomes of a request.
type trouble struct {
	delay  time.Duration
	answer func() *http.Response // in the place of the API server's, which is not asked
	lost   bool                  // the API server is asked, and its answer is not heard
}

func (t *troubled) wrap(next http.RoundTripper) http.RoundTripper { t.next = next; return t }

// written returns how often a write went to a path that ends so.
func (t *troubled) written(suffix string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for path, times := range t.paths {
		if strings.HasSuffix(path, suffix) {
			n += times
		}
	}
	return n
}

// troubles returns how many requests about a name were in trouble.
func (t *troubled) troubles(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.came[name]
}

// about notes a request, and returns what becomes of it.
func (t *troubled) about(r *http.Request) trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paths == nil {
		t.paths, t.writes, t.came = map[string]int{}, map[string]int{}, map[string]int{}
	}
	write := isWrite(r)
	if write {
		t.paths[r.URL.Path]++
	}
	for _, name := range strings.Split(r.URL.Path, "/") {
		of := t.of[name]
		if of == nil {
			continue
		}
		n := 0
		if write {
			t.writes[name]++
			n = t.writes[name]
		}
		is := of(n)
		if is.delay > 0 || is.answer != nil || is.lost {
			t.came[name]++
		}
		return is
	}
	return trouble{}
}

// RoundTrip implements http.RoundTripper.
func (t *troubled) RoundTrip(r *http.Request) (*http.Response, error) {
	is := t.about(r)
	if is.delay > 0 {
		select {
		case <-time.After(is.delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if is.answer != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		answer := is.answer()
		answer.Request = r
		return answer, nil
	}
	answer, err := t.next.RoundTrip(r)
	if is.lost && err == nil {
		answer.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return answer, err
}

// says makes answers of an API server.
func says(code int32, reason metav1.StatusReason, message string) func() *http.Response {
	return func() *http.Response {
		body, _ := json.Marshal(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
		})
		return &http.Response{
			StatusCode: int(code), Status: http.StatusText(int(code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		}
	}
}

// mortal has a controller die at one of its writes: before the API server hears of
// it, or after, so that the answer is lost. From then on it reaches nothing any more.
type mortal struct {
	at    int64
	after bool

	next   http.RoundTripper
	writes atomic.Int64
	once   sync.Once
	died   chan struct{}
}

func (m *mortal) wrap(next http.RoundTripper) http.RoundTripper { m.next = next; return m }

// RoundTrip implements http.RoundTripper.
func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	dead := errors.New("this process is dead")
	n := int64(0)
	if isWrite(r) {
		n = m.writes.Add(1)
	}
	select {
	case <-m.died:
		return nil, dead
	default:
	}
	if n < m.at || n == 0 {
		return m.next.RoundTrip(r)
	}
	if m.after && n == m.at {
		if answer, err := m.next.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}
	m.once.Do(func() { close(m.died) })
	return nil, dead
}
