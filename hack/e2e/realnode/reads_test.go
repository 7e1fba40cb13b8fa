//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// What is read a second while an adapter is disturbed.
const (
	readsPerSecond    = 50 // through kube-apiserver
	connectsPerSecond = 20 // straight from the adapter's Service, each over a connection of its own
)

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
	what      string // it reads, for the log
	perSecond int
	read      func(ctx context.Context, path string) error
	stop      context.CancelFunc
	open      sync.WaitGroup

	mu       sync.Mutex
	sent     int
	failures []failure
	slowest  time.Duration
}

// readers are all that read while something is done.
type readers []*reader

// everyone starts who reads as the HPA controller does, and who has a new connection for
// each read. The first one alone would show little of what happens to a replica that goes:
// kube-apiserver keeps its connections to the adapter for long.
func everyone(t *testing.T) readers {
	t.Helper()
	return readers{reading(t), connecting(t, connectsPerSecond)}
}

// none ends the reads and fails the test if one of them failed.
func (all readers) none(t *testing.T, while string, began time.Time) {
	t.Helper()
	for _, r := range all {
		r.none(t, while, began)
	}
}

// reading starts a reader that reads through kube-apiserver.
func reading(t *testing.T) *reader {
	t.Helper()
	config := node.RESTConfig()
	config.QPS = -1 // no limit of the client's own
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, &reader{what: "reads", perSecond: readsPerSecond, read: func(ctx context.Context, path string) error {
		body, err := client.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
		return valued(body, err)
	}})
}

// connecting starts a reader that dials the Service's address anew for each read, so that
// kube-proxy chooses a replica for each. It is somebody with a certificate of the cluster's,
// whom the adapter authenticates itself.
func connecting(t *testing.T, perSecond int) *reader {
	t.Helper()
	service, err := node.Client.CoreV1().Services(adapterNamespace).Get(t.Context(), adapter, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := caBundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config := node.RESTConfig()
	config.CAFile, config.CAData, config.ServerName = "", bundle, adapter+"."+adapterNamespace+".svc"
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: secure, DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	}}
	base := "https://" + net.JoinHostPort(service.Spec.ClusterIP, "443")
	return start(t, &reader{what: "reads over new connections", perSecond: perSecond, read: func(ctx context.Context, path string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		return valued(body, err)
	}})
}

// valued is an error also where an answer has no value.
func valued(body []byte, err error) error {
	if err == nil && !strings.Contains(string(body), `"value"`) {
		return fmt.Errorf("no value: %s", body)
	}
	return err
}

// start starts a reader for the test's time.
func start(t *testing.T, r *reader) *reader {
	t.Helper()
	// Each is evaluated before it counts: a first read may wait for that. Each replica does so
	// by itself, and where kube-proxy chooses one, that many reads in a row ask both.
	const inARow = 20
	for _, path := range paths {
		until(t, fmt.Sprintf("%d %s of %s", inARow, r.what, path), time.Minute, func(ctx context.Context) (bool, string) {
			for range inARow {
				if err := r.bounded(ctx, path); err != nil {
					return false, err.Error()
				}
			}
			return true, ""
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	r.open.Go(func() { r.run(ctx) })
	t.Cleanup(func() { r.end() })
	return r
}

func (r *reader) bounded(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return r.read(ctx, path)
}

func (r *reader) run(ctx context.Context) {
	tick := time.NewTicker(time.Second / time.Duration(r.perSecond))
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
	err := r.bounded(context.Background(), path)
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	r.slowest = max(r.slowest, took)
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
	t.Logf("%d %s in %s while %s: %d failed, the slowest took %s", sent, r.what, lasted.Round(time.Second), while, len(failures), r.slowest.Round(time.Millisecond))
	if len(failures) > 0 {
		t.Errorf("%s failed while %s:\n%s", r.what, while, told(failures, began))
	}
	if want := int(lasted.Seconds() * float64(r.perSecond) / 2); sent < want {
		t.Errorf("%d %s were sent in %s, which is less than half of what was to be", sent, r.what, lasted)
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
