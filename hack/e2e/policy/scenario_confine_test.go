//go:build e2e

package policy

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// confined has a controller see one namespace only, so that each scenario has its own to
// kill, and dies at a write as mortal does, those of a handoff included.
type confined struct {
	namespace string
	at        int64 // the write at which it dies, from 1; 0 for never
	after     bool

	next   http.RoundTripper
	writes atomic.Int64
	once   sync.Once
	died   chan struct{}
}

func (c *confined) wrap(next http.RoundTripper) http.RoundTripper { c.next = next; return c }

// everywhere is a list or watch of a kind in all namespaces.
var everywhere = regexp.MustCompile(`^(/api/v1|/apis/[^/]+/[^/]+)/(deployments|statefulsets|replicasets|replicationcontrollers|services|horizontalpodautoscalers|autoscalingpolicies)$`)

// handsOver says whether a request is a write that decides something: of an HPA, a
// policy's status, a scale or a Service.
func handsOver(r *http.Request) bool {
	return isWrite(r) || (r.Method == http.MethodPut || r.Method == http.MethodPatch) &&
		(strings.HasSuffix(r.URL.Path, "/scale") || strings.Contains(r.URL.Path, "/services/"))
}

// RoundTrip implements http.RoundTripper.
func (c *confined) RoundTrip(r *http.Request) (*http.Response, error) {
	dead := errors.New("this process is dead")
	select {
	case <-c.died:
		return nil, dead
	default:
	}
	if m := everywhere.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet {
		r = r.Clone(r.Context())
		r.URL.Path = m[1] + "/namespaces/" + c.namespace + "/" + m[2]
	}
	if !handsOver(r) {
		return c.next.RoundTrip(r)
	}
	switch n := c.writes.Add(1); {
	case c.at == 0 || n < c.at:
		return c.next.RoundTrip(r)
	case n == c.at && c.after:
		if answer, err := c.next.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}
	c.once.Do(func() { close(c.died) })
	return nil, dead
}
