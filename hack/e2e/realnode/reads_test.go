//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
)

// readsPerSecond go through kube-apiserver while an adapter is disturbed.
const readsPerSecond = 50

// paths are what HPAs read.
var paths = []string{
	"/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + remindMe + "/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeweb",
	"/apis/custom.metrics.k8s.io/v1beta1/namespaces/" + remindMe + "/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeapi",
	"/apis/external.metrics.k8s.io/v1beta1/namespaces/" + remindMe + "/reminder_queue_depth?labelSelector=queue%3Dreminders",
}

// failure is a read that got no value.
type failure struct {
	at   time.Time // when it was sent
	took time.Duration
	err  string
}

// reader reads metrics, each read when its time has come, whether or not earlier ones were
// answered.
type reader struct {
	client kubernetes.Interface
	stop   context.CancelFunc
	open   sync.WaitGroup

	mu       sync.Mutex
	sent     int
	failures []failure
	slowest  time.Duration
	last     time.Time
}

// reading starts a reader.
func reading(t *testing.T) *reader {
	t.Helper()
	config := node.RESTConfig()
	config.QPS = -1 // no limit of the client's own
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// Each is evaluated before it counts: a first read may wait for that.
	for _, path := range paths {
		until(t, path, time.Minute, func(ctx context.Context) (bool, string) {
			err := read(ctx, client, path)
			return err == nil, fmt.Sprint(err)
		})
	}
	r := &reader{client: client}
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	r.open.Go(func() { r.run(ctx) })
	t.Cleanup(func() { r.end() })
	return r
}

func read(ctx context.Context, client kubernetes.Interface, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := client.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
	if err == nil && !strings.Contains(string(body), `"value"`) {
		return fmt.Errorf("no value: %s", body)
	}
	return err
}

func (r *reader) run(ctx context.Context) {
	tick := time.NewTicker(time.Second / readsPerSecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.open.Go(func() { r.one(paths[n%len(paths)]) })
	}
}

func (r *reader) one(path string) {
	began := time.Now()
	err := read(context.Background(), r.client, path)
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	r.slowest = max(r.slowest, took)
	r.last = time.Now()
	if err != nil {
		r.failures = append(r.failures, failure{at: began, took: took, err: err.Error()})
	}
}

// end stops the reads, and waits for the answers to those that were sent.
func (r *reader) end() (sent int, failures []failure) {
	r.stop()
	r.open.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent, r.failures
}

// none ends the reads and fails the test if one of them failed, or too few were sent to
// say something.
func (r *reader) none(t *testing.T, while string, began time.Time) {
	t.Helper()
	lasted := time.Since(began)
	sent, failures := r.end()
	t.Logf("%d reads in %s while %s: %d failed, the slowest took %s", sent, lasted.Round(time.Second), while, len(failures), r.slowest.Round(time.Millisecond))
	if len(failures) > 0 {
		t.Errorf("reads failed while %s:\n%s", while, told(failures, began))
	}
	if want := int(lasted.Seconds() * readsPerSecond / 2); sent < want {
		t.Errorf("%d reads were sent in %s, which is less than half of what was to be", sent, lasted)
	}
}

// told lists the failures, the first of them in full.
func told(failures []failure, began time.Time) string {
	slices.SortFunc(failures, func(a, b failure) int { return a.at.Compare(b.at) })
	var out strings.Builder
	for i, f := range failures {
		if i == 20 {
			fmt.Fprintf(&out, "… and %d more, until %s\n", len(failures)-i, failures[len(failures)-1].at.Sub(began).Round(10*time.Millisecond))
			break
		}
		fmt.Fprintf(&out, "%7.2f s, after %s: %.300s\n", f.at.Sub(began).Seconds(), f.took.Round(time.Millisecond), f.err)
	}
	return out.String()
}
