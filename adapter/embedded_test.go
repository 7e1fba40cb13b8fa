package adapter

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/store"
)

// podsAPI serves some pods, whole or as metadata, to whoever lists or watches them. Nothing
// changes.
func podsAPI(pods ...corev1.Pod) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/pods" {
			http.NotFound(w, r)
			return
		}
		kind, version := "Pod", "v1"
		if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
		}
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		if r.FormValue("watch") == "" {
			for i := range pods {
				pods[i].TypeMeta = metav1.TypeMeta{}
			}
			_ = out.Encode(map[string]any{"kind": kind + "List", "apiVersion": version, "metadata": map[string]string{"resourceVersion": "1"}, "items": pods})
			return
		}
		send := func(event string, p corev1.Pod) {
			p.TypeMeta = metav1.TypeMeta{Kind: kind, APIVersion: version}
			_ = out.Encode(map[string]any{"type": event, "object": p})
		}
		if r.FormValue("sendInitialEvents") == "true" {
			for _, p := range pods {
				send("ADDED", p)
			}
			send("BOOKMARK", corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}})
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// podAt is a pod whose metrics are at an address.
func podAt(t *testing.T, name, address string) corev1.Pod {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: "u", ResourceVersion: "1", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: int32(number)}}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: host, HostIP: "192.0.2.1"},
	}
}

// Without a source and without a file, an HPA's metric comes of the pod that it scales.
func TestWithoutASourceThePodsAreScraped(t *testing.T) {
	const perSecond = 40
	began := time.Now()
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "http_requests_total{namespace=\"kube-system\"} %v\ngo_goroutines 7\n", perSecond*time.Since(began).Seconds())
	}))
	defer exporter.Close()
	api := httptest.NewServer(podsAPI(podAt(t, "web-1", exporter.Listener.Addr().String())))
	defer api.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	config := &rest.Config{Host: api.URL, Transport: transport}

	o := NewOptions()
	o.EvaluationInterval, o.QueryTimeout, o.ReadPatience, o.ValueMaxAge = time.Second, 5*time.Second, 4*time.Second, time.Minute
	o.RelistInterval, o.MaxAge = 500*time.Millisecond, time.Minute
	o.Scrape.Interval, o.Scrape.Timeout, o.Scrape.Loopback, o.Scrape.Dir = 500*time.Millisecond, 400*time.Millisecond, true, t.TempDir()
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
	if p.mapper, _ = newCluster(t); p.mapper == nil {
		t.Fatal("no mapper")
	}
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
	defer func() {
		cancel()
		running.Wait()
		if err := p.wait(&beside, 10*time.Second); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(o.Scrape.Dir); err != nil || len(left) > 0 {
			t.Errorf("%v %v", left, err)
		}
	}()

	id := metric.Identifier{API: metric.Custom, Metric: "http_requests_per_second", Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}, Selector: "app=web"}
	if _, err := p.demand.Reference("shop/web", []metric.Identifier{id}); err != nil {
		t.Fatal(err)
	}
	p.scrapes.follower.Select("shop/web", "shop", "app=web")
	deadline := time.Now().Add(50 * time.Second) // discovery looks once in ten seconds
	for {
		data, err := p.reader.Read(t.Context(), id, "shop")
		if err == nil && data.Any() {
			value := data.Objects["web-1"]
			if got := value.Quantity.AsApproximateFloat64(); got > perSecond/2 && got < 2*perSecond {
				break
			}
			err = fmt.Errorf("%v", data.Objects)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v; scraped %v; held %v", err, p.scrapes.Status(), p.scrapes.Holding())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if held := p.scrapes.Holding().Series; held != 1 {
		t.Errorf("%d series are held, want the one that is wanted", held)
	}
	if at := p.config; at == nil {
		t.Error("the built-in rules are not followed")
	} else if _, bad := at.status(); bad != nil {
		t.Errorf("the built-in rules are bad: %v", bad)
	}
}

func TestScrapeState(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(&scrapeState{
		status: func() []scrape.Status {
			return []scrape.Status{{Up: true, At: time.Unix(1, 0)}, {At: time.Unix(1, 0)}, {}}
		},
		holding: func() engine.Holding { return engine.Holding{Series: 7, Refused: make([]engine.Refusal, 2)} },
		refused: func() []target.Refusal { return make([]target.Refusal, 3) }, most: 9,
	})
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "/" + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"loadline_scrape_targets/up": 1, "loadline_scrape_targets/down": 1, "loadline_scrape_targets/unknown": 1, "loadline_series_held": 7, "loadline_series_held_limit": 9,
		"loadline_scrape_targets_without_room": 2, "loadline_scrape_pods_refused": 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPIServers(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	for host, want := range map[string]map[netip.Addr]string{
		"https://10.0.0.5:6443":     {netip.MustParseAddr("10.96.0.1"): "the API server", netip.MustParseAddr("10.0.0.5"): "the API server"},
		"https://[2001:db8::1]:443": {netip.MustParseAddr("10.96.0.1"): "the API server", netip.MustParseAddr("2001:db8::1"): "the API server"},
		"10.0.0.6:6443":             {netip.MustParseAddr("10.96.0.1"): "the API server", netip.MustParseAddr("10.0.0.6"): "the API server"},
		"https://api.example:443":   {netip.MustParseAddr("10.96.0.1"): "the API server"},
		"https://127.0.0.1:6443":    {netip.MustParseAddr("10.96.0.1"): "the API server"},
	} {
		if diff := cmp.Diff(want, apiServers(&rest.Config{Host: host}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}
