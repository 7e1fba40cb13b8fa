package adapter

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
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

// Without a source and without a file, an HPA's metric comes of the pod that it scales, and
// of its series only what is wanted is held.
func TestWithoutASourceThePodsAreScraped(t *testing.T) {
	const perSecond = 40
	requests := &load{}
	requests.set(perSecond)
	exporter := httptest.NewServer(requests)
	t.Cleanup(exporter.Close)
	api := httptest.NewServer(podsAPI(podAt(t, "web-1", addressOf(exporter.URL))))
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
