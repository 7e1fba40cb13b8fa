package reference_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
)

// apiServer is as much of an API server as a start needs: n HPAs, and the scales
// of their targets, each of which takes a while.
type apiServer struct {
	hpas     int
	takes    time.Duration
	selector func(name string) string
	scales   atomic.Int64
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	name, isScale := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/apis/apps/v1/namespaces/a/deployments/"), "/scale")
	switch {
	case isScale:
		a.scales.Add(1)
		time.Sleep(a.takes)
		answer(http.StatusOK, &autoscalingv1.Scale{
			TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name},
			Status:     autoscalingv1.ScaleStatus{Selector: a.selector(name)},
		})
	case r.URL.Query().Get("sendInitialEvents") != "": // an older API server
		answer(http.StatusUnprocessableEntity, &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity})
	case r.URL.Query().Get("watch") != "":
		<-r.Context().Done()
	default:
		list := &autoscalingv2.HorizontalPodAutoscalerList{
			TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscalerList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"},
		}
		for i := range a.hpas {
			h := hpa(podsMetric(named("rps")))
			h.Name = fmt.Sprintf("web-%d", i)
			h.Spec.ScaleTargetRef.Name = h.Name
			list.Items = append(list.Items, *h)
		}
		answer(http.StatusOK, list)
	}
}

func (a *apiServer) start(t testing.TB) *rest.Config {
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	// Less than any sane --client-qps, so that it would show.
	return &rest.Config{Host: server.URL, QPS: 1, Burst: 1, Transport: transport, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func TestScaleSelector(t *testing.T) {
	a := &apiServer{selector: func(name string) string {
		if name == "headless" {
			return ""
		}
		return "app=" + name
	}}
	client, err := reference.ScaleClient(a.start(t))
	if err != nil {
		t.Fatal(err)
	}
	selector := reference.ScaleSelector(client, newCluster())
	for name, tc := range map[string]struct {
		kind, target string
		want, err    string
	}{
		"a deployment":        {"Deployment", "web", "app=web", ""},
		"no selector":         {"Deployment", "headless", "", "its status.selector is empty, so the HPA controller cannot find its pods"},
		"a kind that is away": {"Gizmo", "web", "", "no matches for apps/, Resource=Gizmo"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := selector(t.Context(), "a", schema.GroupKind{Group: "apps", Kind: tc.kind}, tc.target)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != tc.want || text != tc.err {
				t.Errorf("%q, %q; want %q, %q", got, text, tc.want, tc.err)
			}
		})
	}
}

// The limit of the client configuration does not hold up reading scales.
func TestScaleClientHasItsOwnLimit(t *testing.T) {
	a := &apiServer{selector: func(name string) string { return "app=" + name }}
	client, err := reference.ScaleClient(a.start(t))
	if err != nil {
		t.Fatal(err)
	}
	selector := reference.ScaleSelector(client, newCluster())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // with the limit of 1 a second it is 100 s
	defer cancel()
	for i := range 100 {
		if _, err := selector(ctx, "a", schema.GroupKind{Group: "apps", Kind: "Deployment"}, fmt.Sprint(i)); err != nil {
			t.Fatalf("scale %d: %v", i, err)
		}
	}
}

// BenchmarkStart prints how long it takes until the references of the HPAs of a
// large cluster are known, where a scale takes 5 ms:
//
//	go test -run - -bench Start -benchtime 1x ./provider/reference
func BenchmarkStart(b *testing.B) {
	for _, hpas := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("%dHPAs", hpas), func(b *testing.B) {
			for b.Loop() {
				a := &apiServer{hpas: hpas, takes: 5 * time.Millisecond, selector: func(name string) string { return "app=" + name }}
				config := a.start(b)
				config.QPS, config.Burst = 50, 100 // as by default
				client, err := kubernetes.NewForConfig(config)
				if err != nil {
					b.Fatal(err)
				}
				scales, err := reference.ScaleClient(config)
				if err != nil {
					b.Fatal(err)
				}
				registry := demand.New(demand.Limits{Total: hpas, PerNamespace: hpas, Idle: time.Minute})
				w := reference.New(reference.Options{Client: client, Kinds: newCluster(), Selector: reference.ScaleSelector(scales, newCluster()), Registry: registry, Added: func(...metric.Identifier) {}})
				ctx, cancel := context.WithCancel(b.Context())
				var wg sync.WaitGroup
				wg.Go(func() { w.Run(ctx) })
				<-w.Synced()
				cancel()
				wg.Wait()
				if got := registry.Stats().Referenced; got != hpas {
					b.Errorf("%d references", got)
				}
			}
		})
	}
}
