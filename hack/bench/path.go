package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// workers is --concurrent-horizontal-pod-autoscaler-syncs of
	// kube-controller-manager.
	workers = 5
	// accept is what kube-controller-manager's client asks for.
	accept = "application/vnd.kubernetes.protobuf,application/json"
	// floorPath is an answer that the same server makes of nothing.
	floorPath = "/apis/external.metrics.k8s.io/v1beta1"
	// ownFloorPath is the same of the reference, which has no external metrics.
	ownFloorPath = "/apis/custom.metrics.k8s.io/v1beta2"
	readTimeout  = 5 * time.Second
	maxBody      = 1 << 20
)

// Path is one way to ask one kind of question.
type Path struct {
	Name   string
	Client *http.Client
	Base   string             // URL of the server
	URIs   []string           // of the requests, in turn
	Check  func([]byte) error // whether the answer is an answer
	next   atomic.Int64

	parse sync.Once
	urls  []*url.URL
	err   error
}

// url is that of the i-th request. It is parsed before the first: what the client spends on a
// request is spent on the processors that the server is measured on.
func (p *Path) url(i int) (*url.URL, error) {
	p.parse.Do(func() {
		for _, uri := range p.URIs {
			u, err := url.Parse(p.Base + uri)
			p.urls, p.err = append(p.urls, u), errors.Join(p.err, err)
		}
	})
	if p.err != nil {
		return nil, p.err
	}
	return p.urls[i%len(p.urls)], nil
}

// bodies are buffers for answers.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// client makes an HTTP client that keeps its connection, as client-go's do.
func client(config *rest.Config) (*http.Client, error) {
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	c.Timeout = readTimeout
	return c, nil
}

// Get asks once and returns how long it took until the whole answer was there, or until it
// was known that there is none.
func (p *Path) Get(ctx context.Context, i int) (time.Duration, error) {
	u, err := p.url(i)
	if err != nil {
		return 0, err
	}
	req := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{"Accept": {accept}}}).WithContext(ctx)
	buffer := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(buffer)
	buffer.Reset()
	began := time.Now()
	resp, err := p.Client.Do(req)
	if err != nil {
		return time.Since(began), err
	}
	_, err = buffer.ReadFrom(io.LimitReader(resp.Body, maxBody))
	resp.Body.Close()
	took := time.Since(began)
	body := buffer.Bytes()
	switch {
	case err != nil:
		return took, err
	case resp.StatusCode != http.StatusOK:
		return took, fmt.Errorf("%s: %s: %.300s", req.URL, resp.Status, body)
	case resp.ProtoMajor != 2:
		return took, fmt.Errorf("%s: answered by %s, want HTTP/2", req.URL, resp.Proto)
	}
	return took, p.Check(body)
}

// fetch asks once where no time is measured, and reads most bytes of the answer at
// most. An answer that is longer, or not 200 OK, is an error.
func fetch(ctx context.Context, c *http.Client, url, accept string, most int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", url, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	case int64(len(body)) > most:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", url, most)
	}
	return body, nil
}

// Flood asks back to back, with all workers, for a time.
func (p *Path) Flood(ctx context.Context, length time.Duration) Sample {
	ctx, cancel := context.WithTimeout(ctx, length+readTimeout)
	defer cancel()
	var s Sample
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for range workers {
		wg.Go(func() {
			var mine Sample
			for time.Since(began) < length && ctx.Err() == nil {
				took, err := p.Get(ctx, int(p.next.Add(1)-1))
				mine.add(took, err)
			}
			mu.Lock()
			defer mu.Unlock()
			s.merge(mine)
		})
	}
	wg.Wait()
	s.Took = time.Since(began)
	return s
}

func (s *Sample) add(took time.Duration, err error) {
	s.Slowest = max(s.Slowest, took)
	if err != nil {
		s.Failed++
		s.LastError = err.Error()
		return
	}
	s.Latencies = append(s.Latencies, took)
}

func (s *Sample) merge(o Sample) {
	s.Latencies = append(s.Latencies, o.Latencies...)
	s.Failed += o.Failed
	s.Slowest = max(s.Slowest, o.Slowest)
	if o.LastError != "" {
		s.LastError = o.LastError
	}
}

// items checks that an answer has n values, whatever its encoding: each names
// the metric once.
func items(n int) func([]byte) error {
	name := []byte(metricName)
	return func(body []byte) error {
		if got := bytes.Count(body, name); got != n {
			return fmt.Errorf("the answer has %d values, want %d", got, n)
		}
		return nil
	}
}

// discovery checks that an answer is that of the API at path.
func discovery(path string) func([]byte) error {
	groupVersion := []byte(strings.TrimPrefix(path, "/apis/"))
	return func(body []byte) error {
		if !bytes.Contains(body, groupVersion) {
			return fmt.Errorf("not a discovery answer: %.200q", body)
		}
		return nil
	}
}
