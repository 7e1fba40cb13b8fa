package reference_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registry is a real one that tells when it was called.
type registry struct {
	*demand.Registry
	called chan string
}

func (r *registry) Reference(key string, ids []metric.Identifier) ([]metric.Identifier, error) {
	added, err := r.Registry.Reference(key, ids)
	r.called <- key
	return added, err
}

type fixture struct {
	client   *fake.Clientset
	registry *registry
	watcher  *reference.Watcher
	scale    atomic.Pointer[error] // why it cannot be read
	scales   atomic.Int64          // how often it was read
	mu       sync.Mutex
	added    []metric.Identifier
}

func setup(objects ...runtime.Object) *fixture {
	f := &fixture{
		client:   fake.NewClientset(objects...),
		registry: &registry{demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute}), make(chan string, 100)},
	}
	f.watcher = reference.New(reference.Options{
		Client: f.client, Kinds: newCluster(), Registry: f.registry,
		Selector: func(_ context.Context, namespace string, target schema.GroupKind, name string) (string, error) {
			f.scales.Add(1)
			if err := f.scale.Load(); err != nil {
				return "", *err
			}
			return "app=" + name, nil
		},
		Added: func(ids ...metric.Identifier) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.added = append(f.added, ids...)
		},
	})
	return f
}

func (f *fixture) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.watcher.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func await[T any](t *testing.T, ch <-chan T, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not within 20s", what)
	}
}

func (f *fixture) wanted() map[string]bool {
	out := map[string]bool{}
	for _, id := range f.registry.Wanted() {
		out[id.String()] = true
	}
	return out
}

func (f *fixture) update(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	if _, err := f.client.AutoscalingV2().HorizontalPodAutoscalers(h.Namespace).Update(t.Context(), h, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherFollowsHPAs(t *testing.T) {
	first := hpa(podsMetric(named("rps")), externalMetric(named("depth")))
	first.ResourceVersion = "1"
	f := setup(first)
	f.run(t)
	await(t, f.watcher.Synced(), "the first list")
	await(t, f.registry.called, "the first HPA")
	rps, depth := "custom/namespaces/a/pods/*/rps?labelSelector=app=web", "external/namespaces/a/depth"
	if diff := cmp.Diff(map[string]bool{rps: true, depth: true}, f.wanted()); diff != "" {
		t.Errorf("start (-want +got):\n%s", diff)
	}
	f.mu.Lock()
	if len(f.added) != 2 {
		t.Errorf("added %v", f.added)
	}
	f.mu.Unlock()

	changed := hpa(externalMetric(named("depth")), externalMetric(named("age")))
	changed.ResourceVersion = "2"
	f.update(t, changed)
	await(t, f.registry.called, "the update")
	if diff := cmp.Diff(map[string]bool{depth: true, "external/namespaces/a/age": true}, f.wanted()); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}

	other := hpa(externalMetric(named("depth")))
	other.Name = "other"
	if _, err := f.client.AutoscalingV2().HorizontalPodAutoscalers("a").Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, f.registry.called, "the addition")
	if err := f.client.AutoscalingV2().HorizontalPodAutoscalers("a").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, f.registry.called, "the deletion")
	if diff := cmp.Diff(map[string]bool{depth: true}, f.wanted()); diff != "" {
		t.Errorf("deletion (-want +got):\n%s", diff)
	}
}

// The HPA controller writes the status of every HPA at every sync.
func TestStatusChangesCostNothing(t *testing.T) {
	h := hpa(podsMetric(named("rps")))
	h.ResourceVersion = "1"
	f := setup(h)
	f.run(t)
	await(t, f.registry.called, "the first HPA")
	for i, version := range []string{"2", "3", "4"} {
		next := h.DeepCopy()
		next.ResourceVersion, next.Status.DesiredReplicas = version, int32(i+1)
		f.update(t, next)
	}
	last := h.DeepCopy()
	last.ResourceVersion, last.Spec.Metrics = "5", []autoscalingv2.MetricSpec{podsMetric(named("other"))}
	f.update(t, last) // events are in order: when this one is through, so are those before
	await(t, f.registry.called, "the change of the spec")
	if got := f.scales.Load(); got != 2 {
		t.Errorf("the scale was read %d times, want once for each spec", got)
	}
}

func TestScaleThatCannotBeRead(t *testing.T) {
	f := setup(hpa(podsMetric(named("rps")), externalMetric(named("depth"))))
	failure := errors.New("the API server is busy")
	f.scale.Store(&failure)
	f.run(t)
	await(t, f.watcher.Synced(), "a scale that cannot be read must not hold up the start")
	await(t, f.registry.called, "the first try")
	if diff := cmp.Diff(map[string]bool{"external/namespaces/a/depth": true}, f.wanted()); diff != "" {
		t.Errorf("without the scale (-want +got):\n%s", diff)
	}
	f.scale.Store(nil)
	for len(f.wanted()) < 2 {
		await(t, f.registry.called, "another try")
	}
}

// A later read of the scale that fails takes nothing from an HPA whose target is
// as it was; one that says that there is no target does.
func TestScaleThatCannotBeReadAgain(t *testing.T) {
	rps, age := "custom/namespaces/a/pods/*/rps?labelSelector=app=web", "custom/namespaces/a/pods/*/age?labelSelector=app=web"
	depth := "external/namespaces/a/depth"
	away := errors.New("the API server is busy")
	for name, tc := range map[string]struct {
		err    error
		target string
		want   map[string]bool
	}{
		"it could not be read":           {away, "web", map[string]bool{rps: true, age: true, depth: true}},
		"nor that of another target":     {away, "other", map[string]bool{depth: true}},
		"there is none":                  {apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web"), "web", map[string]bool{depth: true}},
		"nobody serves its kind":         {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "apps", Kind: "Deployment"}}, "web", map[string]bool{depth: true}},
		"none, and wrapped as it may be": {fmt.Errorf("reading: %w", apierrors.NewNotFound(schema.GroupResource{}, "web")), "web", map[string]bool{depth: true}},
	} {
		t.Run(name, func(t *testing.T) {
			h := hpa(podsMetric(named("rps")), externalMetric(named("depth")))
			h.ResourceVersion = "1"
			f := setup(h)
			f.run(t)
			await(t, f.registry.called, "the first HPA")
			f.scale.Store(&tc.err)
			next := h.DeepCopy()
			next.ResourceVersion, next.Spec.ScaleTargetRef.Name = "2", tc.target
			next.Spec.Metrics = append(next.Spec.Metrics, podsMetric(named("age")))
			f.update(t, next)
			for try := range 2 { // the second is for what the first may have left behind
				await(t, f.registry.called, "a try")
				if diff := cmp.Diff(tc.want, f.wanted()); diff != "" {
					t.Errorf("try %d (-want +got):\n%s", try+1, diff)
				}
			}
		})
	}
}

// Targets change without a word to the HPA, so each scale is read again after a
// while, and not all of them at once.
func TestScalesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 40
		var hpas []runtime.Object
		for i := range n {
			h := hpa(podsMetric(named("rps")))
			h.Name = fmt.Sprintf("web-%d", i)
			hpas = append(hpas, h)
		}
		f := setup(hpas...)
		go func() {
			for range f.registry.called {
			}
		}()
		defer close(f.registry.called)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { f.watcher.Run(ctx) })
		defer func() { cancel(); wg.Wait() }()
		start := time.Now()
		for _, tc := range []struct {
			at       time.Duration
			from, to int64
		}{
			{10 * time.Second, n, n},
			{149 * time.Second, n, n},
			{300 * time.Second, n + 1, 2*n - 1}, // some, not all
			{460 * time.Second, 2 * n, 3 * n},
		} {
			time.Sleep(tc.at - time.Since(start))
			synctest.Wait()
			if got := f.scales.Load(); got < tc.from || got > tc.to {
				t.Errorf("after %s: %d scales read, want %d to %d", tc.at, got, tc.from, tc.to)
			}
		}
	})
}

func TestHPAsForbidden(t *testing.T) {
	f := setup(hpa(externalMetric(named("depth"))))
	f.client.PrependReactor("list", "horizontalpodautoscalers", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, "", errors.New("rbac"))
	})
	f.run(t)
	await(t, f.watcher.Synced(), "without the right to list HPAs")
	if len(f.wanted()) != 0 {
		t.Errorf("wanted %v", f.wanted())
	}
}

func TestNoHPAs(t *testing.T) {
	f := setup()
	f.run(t)
	await(t, f.watcher.Synced(), "without any HPA")
}
