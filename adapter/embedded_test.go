package adapter

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

// clusterAPI serves some pods, whole or as metadata, and EndpointSlices to whoever lists or
// watches them. Nothing changes.
func clusterAPI(pods []corev1.Pod, endpoints ...discoveryv1.EndpointSlice) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		selector, err := labels.Parse(r.FormValue("labelSelector"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var are metav1.TypeMeta
		var items []any
		switch {
		case r.URL.Path == "/api/v1/pods":
			are = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
			if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
				are = metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}
			}
			for _, p := range pods {
				p.TypeMeta = are
				items = append(items, p)
			}
		case strings.HasPrefix(r.URL.Path, "/apis/discovery.k8s.io/v1/namespaces/"):
			are = metav1.TypeMeta{Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"}
			for _, e := range endpoints {
				if e.TypeMeta = are; strings.HasSuffix(r.URL.Path, "/"+e.Namespace+"/endpointslices") && selector.Matches(labels.Set(e.Labels)) {
					items = append(items, e)
				}
			}
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		if r.FormValue("watch") == "" {
			_ = out.Encode(map[string]any{"kind": are.Kind + "List", "apiVersion": are.APIVersion, "metadata": map[string]string{"resourceVersion": "1"}, "items": items})
			return
		}
		if r.FormValue("sendInitialEvents") == "true" {
			for _, one := range items {
				_ = out.Encode(map[string]any{"type": "ADDED", "object": one})
			}
			_ = out.Encode(map[string]any{"type": "BOOKMARK", "object": metav1.PartialObjectMetadata{
				TypeMeta: are, ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}},
			}})
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

// Without a source and without a file, an HPA's metric comes of the pod that it scales, and
// of its series only what is wanted is held.
func TestWithoutASourceThePodsAreScraped(t *testing.T) {
	const perSecond = 40
	requests := &load{}
	requests.set(perSecond)
	exporter := httptest.NewServer(requests)
	t.Cleanup(exporter.Close)
	api := httptest.NewServer(clusterAPI([]corev1.Pod{podAt(t, "web-1", addressOf(exporter.URL))}))
	t.Cleanup(api.Close)
	s := startScraping(t, api.URL, 500*time.Millisecond)
	s.scale("web", "http_requests_per_second")
	s.eventually(50*time.Second, func() string { // discovery looks once in ten seconds
		values, err := s.sees("web", "http_requests_per_second")
		if got := values["web-1"]; err != nil || got < perSecond/2 || got > 2*perSecond {
			return fmt.Sprintf("the HPA sees %v (%v)", values, err)
		}
		return ""
	})
	if held := s.scrapes.Holding().Series; held != 1 {
		t.Errorf("%d series are held, want the one that is wanted", held)
	}
	if _, bad := s.config.status(); bad != nil {
		t.Errorf("the built-in rules are bad: %v", bad)
	}
}

// An exporter of the configuration speaks for other namespaces; a pod that says the same
// speaks for its own.
func TestExportersSpeakForOthers(t *testing.T) {
	says := func(depth int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "reminder_queue_depth{namespace=\"remindme\",queue=\"reminders\"} %d\n", depth)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	queue, pod := podAt(t, "queue-0", says(7)), podAt(t, "web-1", says(1000))
	queue.Namespace, queue.UID, queue.Labels = "queue", "q", nil
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("exporters:\n- {name: reminders, namespace: queue, service: queue, honorLabels: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(clusterAPI([]corev1.Pod{queue, pod}, discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "queue", Name: "queue-x", ResourceVersion: "1", Labels: map[string]string{discoveryv1.LabelServiceName: "queue"}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{queue.Status.PodIP}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "queue", Name: "queue-0", UID: "q"}}},
	}))
	t.Cleanup(api.Close)
	p := startScraping(t, api.URL, 500*time.Millisecond, func(o *Options) { o.ConfigFile = file })
	external := &provider.External{Reader: p.reader, Catalog: p.catalog, Metrics: p.metrics.reads}

	depth := func(namespace string) metric.Identifier {
		return metric.Identifier{API: metric.External, Metric: "reminder_queue_depth", Namespace: namespace, MetricSelector: "queue=reminders"}
	}
	for _, namespace := range []string{"remindme", "shop"} {
		if _, err := p.demand.Reference(namespace+"/worker", []metric.Identifier{depth(namespace)}); err != nil {
			t.Fatal(err)
		}
	}
	p.scrapes.follower.Select("shop/worker", "shop", "app=web")
	type said struct {
		Value  string
		Labels map[string]string
	}
	read := func(namespace string) (out []said) {
		list, err := external.GetExternalMetric(t.Context(), namespace, labels.SelectorFromSet(labels.Set{"queue": "reminders"}), cmprovider.ExternalMetricInfo{Metric: "reminder_queue_depth"})
		if err != nil {
			return nil
		}
		for _, item := range list.Items {
			out = append(out, said{item.Value.String(), item.MetricLabels})
		}
		return out
	}
	want := map[string][]said{
		"remindme": {{"7", map[string]string{"namespace": "remindme", "queue": "reminders"}}},
		"shop":     {{"1k", map[string]string{"namespace": "shop", "exported_namespace": "remindme", "queue": "reminders"}}},
	}
	for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(50 * time.Millisecond) { // discovery looks once in ten seconds
		got := map[string][]said{"remindme": read("remindme"), "shop": read("shop")}
		diff := cmp.Diff(want, got)
		if diff == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("(-want +got):\n%s\nscraped %v; refused %v", diff, p.scrapes.Status(), p.scrapes.follower.Refused())
		}
	}
	answer, err := p.scrapes.Query(t.Context(), `reminder_queue_depth{job="reminders"}`)
	if err != nil || len(answer.Samples) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	got := map[string]string{}
	for _, name := range []string{"namespace", "pod", "node", "queue"} {
		got[name] = answer.Samples[0].Labels.Get(name)
	}
	if diff := cmp.Diff(map[string]string{"namespace": "remindme", "pod": "queue-0", "node": "n1", "queue": "reminders"}, got); diff != "" {
		t.Errorf("the exporter's series (-want +got):\n%s", diff)
	}
}

// A tenant's policy must not have every series of every tenant's pods kept.
func TestPoliciesNameWhatIsScraped(t *testing.T) {
	api := httptest.NewServer(clusterAPI(nil))
	t.Cleanup(api.Close)
	p := startScraping(t, api.URL, 500*time.Millisecond)
	if serves := p.serves(); serves == nil || serves(`sum(lag)`) != nil || serves(`count({namespace="shop"})`) == nil {
		t.Error("a query that names no series is served")
	}
	if (&parts{origins: origins{"": {client: &ones{}}}}).serves() != nil {
		t.Error("a source that scrapes for itself is kept from queries")
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
