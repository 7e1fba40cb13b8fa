//go:build e2e

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
)

// confined has a controller see one namespace only, so that each scenario has its own to
// kill, and dies at a write as mortal does, those of a handoff included.
type confined struct {
	namespace string
	at        int64 // the write at which it dies, from 1; 0 for never
	after     bool

	scaled func(version string) // told of each scale that was written

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
		return c.write(r)
	case n == c.at && c.after:
		if answer, err := c.write(r); err == nil {
			answer.Body.Close()
		}
	}
	c.once.Do(func() { close(c.died) })
	return nil, dead
}

// write passes a write on. The fields of a scale have no manager, so that this is the only
// place that tells our writes from the HPA's.
func (c *confined) write(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.HasSuffix(r.URL.Path, "/scale") {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	var scale autoscalingv1.Scale
	if err := json.Unmarshal(body, &scale); err != nil {
		return nil, fmt.Errorf("an answer about a scale: %w", err)
	}
	c.scaled(scale.ResourceVersion)
	return answer, nil
}
