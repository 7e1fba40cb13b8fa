package adapter

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/store"
)

// scraping is an adapter without a source, from the API server's pods to the answers to
// HPAs, with the built-in rules.
type scraping struct {
	*parts
	custom *provider.Custom
	t      *testing.T
}

// startScraping runs one until the test ends.
func startScraping(t *testing.T, api string, interval time.Duration, configures ...func(*Options)) *scraping {
	t.Helper()
	transport := &http.Transport{}
	config := &rest.Config{Host: api, Transport: transport}
	o := NewOptions()
	o.EvaluationInterval, o.QueryTimeout, o.ReadPatience, o.ValueMaxAge = 10*time.Second, 5*time.Second, 4*time.Second, time.Minute
	o.RelistInterval, o.MaxAge = 500*time.Millisecond, time.Minute
	o.Scrape.Interval, o.Scrape.Timeout, o.Scrape.Loopback, o.Scrape.Dir = interval, interval*4/5, true, t.TempDir()
	for _, configure := range configures {
		configure(o)
	}
	content, rules, err := o.loadRules()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &parts{demand: demand.New(o.Demand), store: store.New(), metrics: newSelfMetrics()}
	p.rules.Store(rules)
	p.mapper, _ = newCluster(t)
	p.objects = object.NewCache(ctx, meta, p.mapper, 0)
	if p.origins, err = o.next(nil, rules); err != nil {
		t.Fatal(err)
	}
	unnamed, named := p.origins.discoverers()
	p.catalog = catalog.New(catalog.Options{Rules: rules, Source: unnamed, Sources: named, Scopes: p.mapper, Interval: o.RelistInterval, MaxAge: o.MaxAge, Now: time.Now})
	if err := p.follow(o, rules, config); err != nil {
		t.Fatal(err)
	}
	if p.scrapes, err = p.scrapesOf(o, config); err != nil || p.scrapes == nil {
		t.Fatalf("nothing scrapes: %v", err)
	}
	p.evaluator = eval.NewRouter(p.sourceOf, p.origins.evaluators(p.evaluates(o)))
	p.reader = &provider.Reader{Demand: p.demand, Evaluator: p.evaluator, Store: p.store, MaxAge: o.ValueMaxAge, Patience: o.ReadPatience, Now: time.Now}
	p.reload(o, content, rules)

	var running sync.WaitGroup
	var beside tasks
	running.Go(func() { p.catalog.Run(ctx) })
	running.Go(func() { p.evaluator.Run(ctx) })
	p.scrapes.start(ctx, &beside)
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := p.wait(&beside, 10*time.Second); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		if left, err := os.ReadDir(o.Scrape.Dir); err != nil || len(left) > 0 {
			t.Errorf("%v %v", left, err)
		}
	})
	custom := &provider.Custom{Reader: p.reader, Catalog: p.catalog, Objects: p.objects, Mapper: p.mapper, Metrics: provider.NewMetrics(prometheus.NewRegistry())}
	return &scraping{p, custom, t}
}

// scale is an HPA of the namespace shop on the pods of an app.
func (s *scraping) scale(app, name string) {
	s.t.Helper()
	id := metric.Identifier{API: metric.Custom, Metric: name, Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}, Selector: "app=" + app}
	if _, err := s.demand.Reference("shop/"+app, []metric.Identifier{id}); err != nil {
		s.t.Fatal(err)
	}
	s.scrapes.follower.Select("shop/"+app, "shop", "app="+app)
}

// warmed waits until rates can be known, as readiness does.
func (s *scraping) warmed() {
	s.scrapes.warm(s.t.Context())
	s.catalog.Relist(s.t.Context())
}

// sees is what an HPA is answered: the values by pod, or the error.
func (s *scraping) sees(app, name string) (map[string]float64, error) {
	info := cmprovider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Metric: name, Namespaced: true}
	list, err := s.custom.GetMetricBySelector(s.t.Context(), "shop", labels.SelectorFromSet(labels.Set{"app": app}), info, labels.Everything())
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, item := range list.Items {
		values[item.DescribedObject.Name] = item.Value.AsApproximateFloat64()
	}
	return values, nil
}

// eventually waits until check has nothing to say any more.
func (s *scraping) eventually(within time.Duration, check func() string) {
	s.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		said := check()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s; scraped %v; held %v", said, s.scrapes.Status(), s.scrapes.Holding())
		}
	}
}

// age is how long ago what an HPA is answered was evaluated.
func (s *scraping) age(app, name string) time.Duration {
	id := metric.Identifier{API: metric.Custom, Metric: name, Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}, Selector: "app=" + app}
	if snap := s.store.Get(id); snap != nil && snap.Data != nil {
		return time.Since(snap.Data.Evaluated)
	}
	return time.Hour
}

// load is a pod's http_requests_total, at a rate that can be changed.
type load struct {
	mu    sync.Mutex
	count float64
	rate  float64
	since time.Time
}

func (l *load) set(rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count, l.rate, l.since = l.now(), rate, time.Now()
}

func (l *load) now() float64 {
	if l.since.IsZero() {
		return 0
	}
	return l.count + l.rate*time.Since(l.since).Seconds()
}

func (l *load) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(w, "http_requests_total{namespace=\"kube-system\"} %v\ngo_goroutines 7\n", l.now())
}

// switched is a handler that can be exchanged; none at all resets connections.
type switched struct{ atomic.Pointer[http.Handler] }

func (s *switched) set(h http.Handler) {
	if h == nil {
		s.Store(nil)
		return
	}
	s.Store(&h)
}

func (s *switched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.Load()
	if h == nil {
		panic(http.ErrAbortHandler)
	}
	(*h).ServeHTTP(w, r)
}

// addressOf is that of a test's server.
func addressOf(url string) string { return strings.TrimPrefix(url, "http://") }
