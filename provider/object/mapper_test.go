package object

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/restmapper"
	k8stesting "k8s.io/client-go/testing"

	"github.com/loadline/loadline/provider/metric"
)

const renewal = time.Minute

// api is a discovery whose content can change, and that counts its readers.
type api struct {
	*fakediscovery.FakeDiscovery
	mu    sync.Mutex
	reads int
	err   error
}

func newAPI() *api {
	a := &api{FakeDiscovery: &fakediscovery.FakeDiscovery{Fake: &k8stesting.Fake{}}}
	a.set(nil, metav1.APIResource{Name: "pods", SingularName: "pod", Kind: "Pod", Namespaced: true}, metav1.APIResource{Name: "nodes", SingularName: "node", Kind: "Node"})
	a.PrependReactor("get", "group", func(k8stesting.Action) (bool, runtime.Object, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.reads++
		return a.err != nil, nil, a.err
	})
	return a
}

func (a *api) set(err error, resources ...metav1.APIResource) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	if resources != nil {
		a.Resources = []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: resources}}
	}
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reads
}

func startMapper(t *testing.T, a *api, interval time.Duration) *Mapper {
	m := NewMapper(a, interval)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { m.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
	return m
}

func TestMapperResolves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMapper(t, newAPI(), renewal)
		for range 2 { // computed, remembered
			gvr, err := m.ResourceFor(schema.GroupVersionResource{Resource: "pod"})
			if err != nil || gvr != (schema.GroupVersionResource{Version: "v1", Resource: "pods"}) {
				t.Errorf("%v, %v", gvr, err)
			}
			gvk, err := m.KindFor(schema.GroupVersionResource{Resource: "pods"})
			if err != nil || gvk != (schema.GroupVersionKind{Version: "v1", Kind: "Pod"}) {
				t.Errorf("%v, %v", gvk, err)
			}
		}
		for resource, want := range map[string]bool{"pods": true, "nodes": false} {
			if got, err := m.Namespaced(schema.GroupResource{Resource: resource}); err != nil || got != want {
				t.Errorf("%s: %v, %v", resource, got, err)
			}
		}
		if s, err := m.ResourceSingularizer("nodes"); err != nil || s != "node" {
			t.Errorf("%s, %v", s, err)
		}
		// Readers choose the spelling; they must not choose how much is remembered.
		for _, spelling := range []string{"Pods", "pOds", "PODS"} {
			if gvr, err := m.ResourceFor(schema.GroupVersionResource{Resource: spelling}); err != nil || gvr.Resource != "pods" {
				t.Errorf("%s: %v, %v", spelling, gvr, err)
			}
			if _, held := m.current.Load().resources.Load(schema.GroupVersionResource{Resource: spelling}); held {
				t.Errorf("%s is remembered", spelling)
			}
		}
		if _, err := m.Namespaced(schema.GroupResource{Resource: "gizmos"}); !meta.IsNoMatchError(err) {
			t.Errorf("err %v", err)
		}
	})
}

func TestMapperFollowsTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		m := startMapper(t, a, renewal)
		time.Sleep(20 * time.Second) // well past the gap
		before := m.Generation()
		if err := m.Refresh(t.Context()); err != nil || m.Generation() != before {
			t.Errorf("generation %d after a renewal without news, %v, want %d", m.Generation(), err, before)
		}
		gizmo := schema.GroupVersionResource{Resource: "gizmos"}
		a.set(nil, metav1.APIResource{Name: "gizmos", Kind: "Gizmo"})
		if _, err := m.ResourceFor(gizmo); !meta.IsNoMatchError(err) {
			t.Fatalf("err %v", err)
		}
		synctest.Wait() // no time passes: the last renewal is long ago
		if _, err := m.ResourceFor(gizmo); err != nil {
			t.Errorf("a miss triggered no renewal: %v", err)
		}
		if m.Generation() == before {
			t.Errorf("generation %d as before, though there is another resource", before)
		}
	})
}

// Whoever asks for ever for what does not exist costs less and less, and what
// appears is found within a minute all the same.
func TestMapperMissesOnAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		m := startMapper(t, a, time.Hour) // so that only misses renew
		time.Sleep(time.Minute)
		gizmo := schema.GroupVersionResource{Resource: "gizmos"}
		// A hot loop: one look each 100 ms, for d.
		ask := func(d time.Duration) (renewals int) {
			before := a.count()
			for range d / (100 * time.Millisecond) {
				_, _ = m.ResourceFor(gizmo)
				time.Sleep(100 * time.Millisecond)
			}
			return a.count() - before
		}
		if n := ask(time.Minute); n < 4 || n > 5 {
			t.Errorf("%d renewals in the first minute, want 4 or 5: at once, after 5 s, 10 s, 20 s and 40 s", n)
		}
		if n := ask(10 * time.Minute); n < 14 || n > 16 {
			t.Errorf("%d renewals in ten minutes, want one in 40 s", n)
		}
		select {
		case <-m.Changed():
			t.Error("changed, though nothing was installed")
		default:
		}
		// At the pace of an HPA.
		a.set(nil, metav1.APIResource{Name: "gizmos", Kind: "Gizmo"})
		installed := time.Now()
		for found := false; !found; {
			_, err := m.ResourceFor(gizmo)
			if found = err == nil; !found {
				time.Sleep(15 * time.Second)
			}
		}
		if took := time.Since(installed); took > time.Minute {
			t.Errorf("found after %s", took)
		}
		select {
		case <-m.Changed():
		default:
			t.Error("not said to have changed")
		}
	})
}

// Before the first discovery nothing is known, which is not the same as that
// nothing exists.
func TestMapperBeforeTheFirstDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		a.set(errors.New("connection refused"))
		m := NewMapper(a, renewal)
		lookups := map[string]func() error{
			"ResourceFor":          func() error { _, err := m.ResourceFor(schema.GroupVersionResource{Resource: "pods"}); return err },
			"KindFor":              func() error { _, err := m.KindFor(schema.GroupVersionResource{Resource: "pods"}); return err },
			"RESTMapping":          func() error { _, err := m.RESTMapping(schema.GroupKind{Kind: "Pod"}); return err },
			"Namespaced":           func() error { _, err := m.Namespaced(schema.GroupResource{Resource: "pods"}); return err },
			"ResourceSingularizer": func() error { _, err := m.ResourceSingularizer("pods"); return err },
		}
		for name, lookup := range lookups {
			if err := lookup(); metric.ReasonOf(err) != metric.ObjectsUnknown || meta.IsNoMatchError(err) {
				t.Errorf("%s before Run: %v", name, err)
			}
		}
		_ = m.Refresh(t.Context())
		want := "the API server's resources are not known yet: connection refused"
		for name, lookup := range lookups {
			if err := lookup(); err == nil || err.Error() != want {
				t.Errorf("%s after a failure: %v", name, err)
			}
		}
		a.set(nil)
		if err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, lookup := range lookups {
			if err := lookup(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestMapperKeepsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		a.set(errors.New("connection refused"))
		m := startMapper(t, a, renewal)
		select {
		case <-m.Filled():
			t.Error("filled by nothing")
		default:
		}
		a.set(nil)
		time.Sleep(6 * time.Second) // tried again after the gap, not after the interval
		select {
		case <-m.Filled():
		default:
			t.Error("not filled")
		}
		a.set(errors.New("connection refused"))
		time.Sleep(2 * renewal)
		if _, err := m.ResourceFor(schema.GroupVersionResource{Resource: "pods"}); err != nil {
			t.Errorf("forgotten in an outage: %v", err)
		}
	})
}

// TestKeepUnread: an aggregated server that is away does not make its kinds
// unknown, and one that is registered no more does.
func TestKeepUnread(t *testing.T) {
	group := func(name string, resources map[string][]metav1.APIResource, versions ...string) *restmapper.APIGroupResources {
		g := &restmapper.APIGroupResources{Group: metav1.APIGroup{Name: name}, VersionedResources: resources}
		for _, v := range versions {
			g.Group.Versions = append(g.Group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		return g
	}
	type resources = map[string][]metav1.APIResource
	widgets, gadgets := []metav1.APIResource{{Name: "widgets"}}, []metav1.APIResource{{Name: "gadgets"}}
	before := []*restmapper.APIGroupResources{
		group("away", resources{"v1": widgets, "v2": widgets}, "v1", "v2"),
		group("changed", resources{"v1": widgets}, "v1"),
		group("gone", resources{"v1": widgets}, "v1"),
	}
	now := []*restmapper.APIGroupResources{
		group("away", resources{"v2": gadgets}, "v1", "v2"),
		group("changed", resources{"v1": gadgets}, "v1"),
		group("never read", resources{}, "v1"),
	}
	keepUnread(now, before)
	want := []*restmapper.APIGroupResources{
		group("away", resources{"v1": widgets, "v2": gadgets}, "v1", "v2"),
		group("changed", resources{"v1": gadgets}, "v1"),
		group("never read", resources{}, "v1"),
	}
	if diff := cmp.Diff(want, now); diff != "" {
		t.Error(diff)
	}
}
