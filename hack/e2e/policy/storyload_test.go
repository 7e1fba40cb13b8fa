//go:build e2e

package policy

import (
	"context"
	"hash/fnv"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tale is the label of the pods and Services of stories.
const tale = "tale"

const (
	scrapeEvery = 5 * time.Second        // of each pod
	lookEvery   = 200 * time.Millisecond // at all pods
)

// observer looks at the pods of all stories: how many serve behind the Service of their
// namespace, and what they count of their requests, which it reads as Prometheus does: each
// pod in turns of its own, so that of a new one nothing is known until its second turn.
type observer struct {
	mu       sync.Mutex
	needed   int // pods that the load takes
	stories  map[string]*lack
	counters map[types.UID]*counter
}

// lack is what a story lost since it began, times seconds: pods that were missing, and pods
// that nobody even asked for.
type lack struct {
	at               time.Time // of the last look
	missing, unasked int
	lost, unwanted   float64
}

// counter is what was read of a pod.
type counter struct {
	namespace  string
	ready      bool      // it has been
	next       time.Time // turn to read it
	last, prev scrape
}

type scrape struct {
	at    time.Time
	total float64
}

// follow looks until the test is over.
func follow(t *testing.T, needed int) *observer {
	t.Helper()
	o := &observer{needed: needed, stories: map[string]*lack{}, counters: map[types.UID]*counter{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() {
		for ctx.Err() == nil {
			o.look(ctx, &running)
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		}
	})
	return o
}

// look reads the pods once. What cannot be read is read at the next look.
func (o *observer) look(ctx context.Context, running *sync.WaitGroup) {
	var pods corev1.PodList
	var services corev1.ServiceList
	for _, list := range []client.ObjectList{&services, &pods} {
		if kube.List(ctx, list, client.HasLabels{tale}) != nil {
			return
		}
	}
	fronts := map[string]labels.Selector{}
	for _, s := range services.Items {
		fronts[s.Namespace] = labels.SelectorFromSet(s.Spec.Selector)
	}
	asked, ok := wanted(ctx, fronts)
	if !ok {
		return
	}
	now := time.Now()
	serving, there := map[string]int{}, map[types.UID]bool{}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range pods.Items {
		there[p.UID] = true
		c := o.counters[p.UID]
		if c == nil && p.Status.PodIP != "" {
			h := fnv.New32a()
			h.Write([]byte(p.UID))
			c = &counter{namespace: p.Namespace, next: now.Add(time.Duration(h.Sum32()) % scrapeEvery)}
			o.counters[p.UID] = c
		}
		takes := c != nil && c.takes(&p)
		if s := fronts[p.Namespace]; takes && s != nil && s.Matches(labels.Set(p.Labels)) {
			serving[p.Namespace]++
		}
		if c != nil && !now.Before(c.next) {
			c.next = c.next.Add(scrapeEvery)
			running.Go(func() { o.scrape(ctx, c, p.Status.PodIP) })
		}
	}
	for uid := range o.counters {
		if !there[uid] {
			delete(o.counters, uid)
		}
	}
	for ns, l := range o.stories {
		since := now.Sub(l.at).Seconds()
		l.lost += float64(l.missing) * since
		l.unwanted += float64(l.unasked) * since
		l.missing, l.unasked, l.at = max(0, o.needed-serving[ns]), max(0, o.needed-asked[ns]), now
	}
}

// scrape reads the requests that a pod has answered. One that does not say is read at its
// next turn.
func (o *observer) scrape(ctx context.Context, c *counter, ip string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(ip, "9090")+"/metrics", nil)
	if err != nil {
		return
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		return
	}
	s := scrape{at: time.Now()}
	for _, m := range families["http_requests_total"].GetMetric() {
		s.total += m.GetCounter().GetValue()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.prev, c.last = c.last, s
}

// rate is the requests per second of a namespace's pods: the sum of what is known, and 0
// where nothing is, as the query "sum(irate(http_requests_total[15s])) or vector(0)" has it.
func (o *observer) rate(namespace string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	var sum float64
	for _, c := range o.counters {
		if c.namespace == namespace && !c.prev.at.IsZero() {
			sum += (c.last.total - c.prev.total) / c.last.at.Sub(c.prev.at).Seconds()
		}
	}
	return int64(math.Round(sum))
}

// begin counts from now on what is lost in a namespace.
func (o *observer) begin(namespace string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := &lack{missing: o.needed, at: time.Now()}
	if before := o.stories[namespace]; before != nil {
		l.missing, l.unasked = before.missing, before.unasked
	}
	o.stories[namespace] = l
}

// missing is how many pods were missing at the last look.
func (o *observer) missing(namespace string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stories[namespace].missing
}

// lost is what has been lost since the beginning.
func (o *observer) lost(namespace string) lack {
	o.mu.Lock()
	defer o.mu.Unlock()
	return *o.stories[namespace]
}
