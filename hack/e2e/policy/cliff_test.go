//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// sizes are those that a target had, one after the other.
type sizes struct {
	mu   sync.Mutex
	all  []int32
	at   []time.Duration // since the first
	stop func()
}

// watchSize notes each size that a Deployment is given until end, or the test's end.
func watchSize(t *testing.T, namespace, name string) *sizes {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, done, began := &sizes{}, make(chan struct{}), time.Now()
	s.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			n, err := replicasOf(ctx, namespace, name)
			s.mu.Lock()
			if err == nil && (len(s.all) == 0 || s.all[len(s.all)-1] != n) {
				s.all, s.at = append(s.all, n), append(s.at, time.Since(began).Round(100*time.Millisecond))
			}
			s.mu.Unlock()
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(s.stop)
	return s
}

// end stops watching.
func (s *sizes) end() *sizes {
	s.stop()
	return s
}

// deepest is the largest cut.
func (s *sizes) deepest() int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := int32(0)
	for i := 1; i < len(s.all); i++ {
		most = max(most, s.all[i-1]-s.all[i])
	}
	return most
}

func (s *sizes) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text []string
	for i, n := range s.all {
		text = append(text, fmt.Sprintf("%d pods after %s", n, s.at[i]))
	}
	return strings.Join(text, ", ")
}

// halving is a behavior that looks as if no more than half the pods went in 30 s.
func halving() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: ptr.To[int32](10),
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 50, PeriodSeconds: 30}},
	}}
}

// A minimum that is taken away at once is a cliff, whatever the behavior says; an HPA that
// Loadline lets go, by Orphan and by release=keep, comes down step by step. Its last line
// has the figures of docs/adr/0009:
//
//	bin/cluster exec -- bin/policy.test -test.v -test.run '^TestP3Cliff$'
func TestP3Cliff(t *testing.T) {
	m := startMetricAPI(t)
	ns := namespace(t)
	m.of(ns).value.Store(20) // two pods' worth
	for _, name := range []string{"bare", "orphan", "kept"} {
		sized(t, ns, name, 2)
	}
	held := func(p *v1alpha1.AutoscalingPolicy) {
		external(p)
		p.Spec.Behavior, p.Spec.Replicas.Max = halving(), 12
		p.Spec.Schedules = []v1alpha1.Schedule{{Name: "always", Start: "* * * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 12}}
	}
	orphan := create(t, newPolicy(ns, "orphan", held, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan }))
	kept := create(t, newPolicy(ns, "kept", held))
	for _, name := range []string{"orphan", "kept"} {
		size(t, ns, name, 12, 30*time.Second)
		goodMetrics(t, ns, name)
	}
	bare := create(t, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bare"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "bare"},
			MinReplicas:    ptr.To[int32](12), MaxReplicas: 12, Behavior: halving(),
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "load"},
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("10"))},
			}}},
		},
	})
	size(t, ns, "bare", 12, 30*time.Second)
	system.Pause(t, 11*time.Second) // the window, and not the period
	watched := map[string]*sizes{}
	for _, name := range []string{"bare", "orphan", "kept"} {
		watched[name] = watchSize(t, ns, name)
	}
	edit(t, bare, func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To[int32](2) })
	must(t, kube.Delete(t.Context(), orphan))
	edit(t, kept, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.Paused })
	h, err := getHPA(t.Context(), ns, "kept")
	must(t, err)
	system.Until(t, "the HPA frozen", soon, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "kept")
		return err == nil && hpa.Frozen(h), fmt.Sprint(err)
	})
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.ReleaseAnnotation, decide.ReleaseKeep)
	})

	for _, name := range []string{"bare", "orphan", "kept"} {
		size(t, ns, name, 2, 3*time.Minute)
	}
	for _, name := range []string{"orphan", "kept"} {
		system.Until(t, name+" is let go", soon, func(ctx context.Context) (bool, string) {
			h, err := getHPA(ctx, ns, name)
			if err != nil {
				return false, err.Error()
			}
			left := traces(h)
			return left == "" && *h.Spec.MinReplicas == 2 && !hpa.Frozen(h), fmt.Sprintf("min %d, %s", *h.Spec.MinReplicas, left)
		})
		if deepest := watched[name].end().deepest(); deepest > 6 {
			t.Errorf("%s: %d pods at once: %s", name, deepest, watched[name])
		}
	}
	if deepest := watched["bare"].end().deepest(); deepest != 10 {
		t.Errorf("without us there is no cliff: %s", watched["bare"])
	}
	t.Logf("min 12, then 2, over a need of 2, at 50 %% each 30 s and a window of 10 s. Without us: %s. Orphan: %s. release=keep: %s", watched["bare"], watched["orphan"], watched["kept"])
}

// TestP3Restored: an HPA that gets its own spec back, with a maximum below the size, comes
// down to it in steps.
func TestP3Restored(t *testing.T) {
	m := startMetricAPI(t)
	ns := namespace(t)
	source := m.of(ns)
	source.value.Store(30) // three pods
	sized(t, ns, "web", 3)
	h := theirs(ns)
	h.Name, h.Spec.MaxReplicas = "web", 3
	create(t, h)
	worked(t, h)
	before := h.Spec.DeepCopy()
	p := create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas.Max, p.Spec.Behavior = 12, halving()
	}))
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.AdoptAnnotation, "web")
	})
	built(t, ns, "web")
	source.value.Store(120)
	size(t, ns, "web", 12, time.Minute)

	watched := watchSize(t, ns, "web")
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.Paused })
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.ReleaseAnnotation, decide.ReleaseRestore)
	})
	size(t, ns, "web", 3, 3*time.Minute)
	system.Until(t, "the HPA as it was", soon, func(ctx context.Context) (bool, string) {
		now, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		diff, left := cmp.Diff(before, &now.Spec), traces(now)
		return diff == "" && left == "", diff + left
	})
	if deepest := watched.end().deepest(); deepest > 6 {
		t.Errorf("%d pods at once: %s", deepest, watched)
	}
	t.Logf("a maximum of 12, then 3 again, at 50 %% each 30 s: %s", watched)
}
