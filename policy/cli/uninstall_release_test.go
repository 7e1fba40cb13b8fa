package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// hpaStore stands for an API server's HPAs and their controller, which reads all metrics
// but those of the HPAs in bad.
type hpaStore struct {
	mu      sync.Mutex
	hpas    map[string]*autoscalingv2.HorizontalPodAutoscaler
	bad     map[string]bool
	fail    func(name string) error // of each write, nil for none
	version int
	lowered map[string][]time.Duration // since when the minimum was lowered, by name
	began   time.Time
	writing int
	widest  int // writes at once
}

func newStore(t *testing.T, n int, min int32) *hpaStore {
	t.Helper()
	s := &hpaStore{hpas: map[string]*autoscalingv2.HorizontalPodAutoscaler{}, bad: map[string]bool{}, lowered: map[string][]time.Duration{}, began: time.Now()}
	for i := range n {
		_, h := sound(t)
		h.Name, h.Spec.MinReplicas, h.Spec.MaxReplicas = fmt.Sprintf("web%04d", i), &min, 100
		h.Spec.Metrics = h.Spec.Metrics[:1]
		s.hpas[nameOf(h)] = h
	}
	return s
}

// left lists what concerns us, with the status that the HPA controller gives it.
func (s *hpaStore) left(context.Context) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []autoscalingv2.HorizontalPodAutoscaler
	for _, name := range slices.Sorted(maps.Keys(s.hpas)) {
		h := s.hpas[name]
		active := autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScalingActive, Status: "True"}
		active.LastTransitionTime.Time = s.began.Add(-time.Hour)
		h.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{Metric: h.Spec.Metrics[0].Pods.Metric}}}
		if s.bad[name] {
			active.Status, active.Reason, h.Status.CurrentMetrics = "False", "FailedGetPodsMetric", nil
		}
		h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.AbleToScale, Status: "True"}, active}
		if concerns(h) {
			all = append(all, *h.DeepCopy())
		}
	}
	return all, nil
}

func (s *hpaStore) write(next *autoscalingv2.HorizontalPodAutoscaler) error {
	name := nameOf(next)
	s.mu.Lock()
	s.writing++
	s.widest = max(s.widest, s.writing)
	s.mu.Unlock()
	time.Sleep(100 * time.Millisecond) // as a slow API server; in a bubble
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing--
	if s.fail != nil {
		if err := s.fail(name); err != nil {
			return err
		}
	}
	if was := *s.hpas[name].Spec.MinReplicas; *next.Spec.MinReplicas < was {
		s.lowered[name] = append(s.lowered[name], time.Since(s.began).Truncate(time.Second))
	}
	s.version++
	s.hpas[name] = next.DeepCopy()
	return nil
}

func (s *hpaStore) departures(out *strings.Builder, limit time.Duration) *departures {
	return &departures{
		left: s.left, limit: limit, now: time.Now, out: out,
		apply: func(_ context.Context, next *autoscalingv2.HorizontalPodAutoscaler, _ string) error {
			return s.write(next)
		},
		free: func(_ context.Context, h *autoscalingv2.HorizontalPodAutoscaler) error {
			free, _ := decide.Free(h)
			return s.write(free)
		},
	}
}

// All HPAs come down side by side, in the steps of their behavior: a thousand take hardly
// longer than one, which takes its periods.
func TestDeparturesSideBySide(t *testing.T) {
	for _, n := range []int{1, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore(t, n, 8)
				var out strings.Builder
				if err := s.departures(&out, time.Hour).run(t.Context()); err != nil {
					t.Fatal(err)
				}
				for name, h := range s.hpas {
					if *h.Spec.MinReplicas != 2 || concerns(h) || len(s.lowered[name]) != 4 { // 6, 4, 3, 2
						t.Fatalf("%s: min %d, lowered at %v, %v", name, *h.Spec.MinReplicas, s.lowered[name], h.Annotations)
					}
					for i, at := range s.lowered[name] {
						last := time.Duration(0)
						if i > 0 {
							last = s.lowered[name][i-1]
						}
						if at-last < 29*time.Second {
							t.Fatalf("%s: lowered at %v", name, s.lowered[name])
						}
					}
				}
				if took := time.Since(s.began); took > 4*time.Minute || n > together && s.widest != together {
					t.Errorf("it took %s, %d writes at once", took, s.widest)
				}
				for _, want := range []string{
					fmt.Sprintf("0 of %d HPAs are let go; of %d the minimum comes down step by step, by %d in all\n", n, n, 6*n),
					"released HorizontalPodAutoscaler shop/web0000: it keeps its spec, with min 2 without the floors\n",
				} {
					if !strings.Contains(out.String(), want) {
						t.Errorf("it does not say %q: %.2000s", want, out.String())
					}
				}
			})
		})
	}
}

// It ends in time and says what is left and what to do; another run goes on from there.
func TestDeparturesEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 3, 8)
		s.bad["shop/web0001"] = true
		var out strings.Builder
		err := s.departures(&out, 10*time.Minute).run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "after 10m0s there still is, and nothing that comes after was done:\n  shop/web0001 has min 8 and goes to 2, when it can read its metrics\nCall this again") {
			t.Errorf("%v", err)
		}
		if !strings.Contains(out.String(), "2 of 3 HPAs are let go; of 1 the minimum comes down step by step, by 6 in all; 1 of them wait until") {
			t.Errorf("%s", &out)
		}
		s.bad = nil
		if err := s.departures(&out, 10*time.Minute).run(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An HPA that may be about to scale to 0 is not written to, for a while.
func TestDeparturesNearZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 1, 0)
		h := s.hpas["shop/web0000"]
		h.Annotations[hpa.MinAnnotation], h.Status.CurrentReplicas = "0", 1
		h.Status.LastScaleTime = ptr.To(metav1.NewTime(time.Now().Add(-time.Minute)))
		var out strings.Builder
		err := s.departures(&out, 5*time.Minute).run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "shop/web0000: the HPA is about to scale to 0") || s.version != 0 {
			t.Errorf("%v, %d writes", err, s.version)
		}
		if !strings.Contains(out.String(), "1 of them may be about to scale to 0") {
			t.Errorf("%s", &out)
		}
		if err := s.departures(&out, 5*time.Minute).run(t.Context()); err != nil || concerns(s.hpas["shop/web0000"]) {
			t.Error(err)
		}
		if took := time.Since(s.began); took < 9*time.Minute || took > 10*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// Who is broken off is told how to go on; the next run takes the next step, no sooner.
func TestDeparturesBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 1, 8)
		var out strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second) // after two steps
		defer cancel()
		if err := s.departures(&out, time.Hour).run(ctx); err == nil || !strings.Contains(err.Error(), "broken off") {
			t.Fatalf("%v", err)
		}
		if h := s.hpas["shop/web0000"]; *h.Spec.MinReplicas != 4 {
			t.Fatalf("min %d", *h.Spec.MinReplicas)
		}
		if err := s.departures(&out, time.Hour).run(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := s.lowered["shop/web0000"]
		if len(at) != 4 || at[2]-at[1] < 29*time.Second || at[3] > 150*time.Second {
			t.Errorf("lowered at %v", at)
		}
	})
}

// An HPA that the API server refuses to change holds up no other, and is an error in the
// end; what may pass is tried again.
func TestDeparturesWithErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 4, 8)
		n := 0
		s.fail = func(name string) error {
			switch n++; {
			case name == "shop/web0002":
				return apierrors.NewForbidden(schema.GroupResource{Resource: "hpas"}, "web0002", errors.New("a webhook says no"))
			case n%3 == 0:
				return apierrors.NewInternalError(errors.New("etcd is away"))
			case n%5 == 0:
				return apierrors.NewConflict(schema.GroupResource{Resource: "hpas"}, name, errors.New("modified"))
			}
			return nil
		}
		var out strings.Builder
		err := s.departures(&out, time.Hour).run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "refuses to let these go:\n  shop/web0002: ") || strings.Count(err.Error(), "shop/") != 1 {
			t.Errorf("%v", err)
		}
		for name, h := range s.hpas {
			if is := concerns(h); is != (name == "shop/web0002") {
				t.Errorf("%s: ours %v", name, is)
			}
		}
	})
}

// At once is at once.
func TestDeparturesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 40, 8)
		s.bad["shop/web0001"] = true
		var out strings.Builder
		d := s.departures(&out, time.Hour)
		d.atOnce = true
		if err := d.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(s.began); took > 5*time.Second || *s.hpas["shop/web0000"].Spec.MinReplicas != 2 || *s.hpas["shop/web0001"].Spec.MinReplicas != 8 {
			t.Errorf("it took %s: %s", took, &out)
		}
	})
}

// What is on its way is applied as loadline-policy does it, and says nothing of a status.
func TestApplyOnItsWay(t *testing.T) {
	var got struct {
		method, path, query, kind string
		body                      map[string]any
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.method, got.path, got.query, got.kind = r.Method, r.URL.Path, r.URL.Query().Encode(), r.Header.Get("Content-Type")
		if err := json.NewDecoder(r.Body).Decode(&got.body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"}}`))
	}))
	defer server.Close()
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, h := sound(t)
	h.Spec.MinReplicas = ptr.To[int32](6)
	m := decide.LetGo(h, decide.Letting{Now: at, Settings: decide.Defaults()})
	if m.HPA == nil || m.Done {
		t.Fatalf("%+v", m)
	}
	u := &uninstaller{cluster: &cluster{client: client}, now: time.Now}
	if err := u.apply(t.Context(), m.HPA, "77"); err != nil {
		t.Fatal(err)
	}
	if got.method != http.MethodPatch || got.path != "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web" ||
		got.query != "fieldManager=loadline-policy&force=true" || got.kind != string(types.ApplyPatchType) {
		t.Errorf("%+v", got)
	}
	metadata, _ := got.body["metadata"].(map[string]any)
	if diff := cmp.Diff([]string{"annotations", "labels", "name", "namespace", "resourceVersion"}, slices.Sorted(maps.Keys(metadata))); diff != "" || metadata["resourceVersion"] != "77" {
		t.Errorf("%s%v", diff, metadata)
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	if _, status := got.body["status"]; status || annotations[decide.StepAnnotation] == nil || annotations[hpa.MinAnnotation] != "2" {
		t.Errorf("%v", got.body)
	}
}

// A Lease is somebody's while it is renewed, by our own clock and whatever its times say.
func TestStillLeases(t *testing.T) {
	s := still{}
	held := func(version string) []lease {
		return []lease{{object: object{namespace: "n", name: leaseName, uid: "l"}, resourceVersion: version, holder: "h", lasts: 15 * time.Second}}
	}
	for _, tc := range []struct {
		after   time.Duration
		version string
		stale   bool
	}{
		{0, "1", false}, {10 * time.Second, "1", false}, {14 * time.Second, "2", false}, {29 * time.Second, "2", false}, {30 * time.Second, "2", true}, {31 * time.Second, "3", false},
	} {
		renewed, stale := s.sort(held(tc.version), at.Add(tc.after))
		if len(stale) == 1 != tc.stale || len(renewed)+len(stale) != 1 {
			t.Errorf("after %s: renewed %v, stale %v", tc.after, renewed, stale)
		}
	}
}
