package object_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	pods     = schema.GroupResource{Resource: "pods"}
	services = schema.GroupResource{Resource: "services"}
)

func newCluster() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Service"}, meta.RESTScopeNamespace)
	return m
}

func metadata(kind, namespace, name string, set map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: set},
	}
}

type fixture struct {
	*object.Cache
	client *fake.FakeMetadataClient
}

// setup returns a cache that makes short pauses only.
func setup(t *testing.T, objects ...runtime.Object) *fixture {
	t.Helper()
	return setupFor(t, 5*time.Millisecond, objects...)
}

// setupFor returns a cache whose watches have ended when the test ends.
func setupFor(t *testing.T, retry time.Duration, objects ...runtime.Object) *fixture {
	t.Helper()
	scheme := fake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	f := &fixture{client: fake.NewSimpleMetadataClient(scheme, objects...)}
	ctx, cancel := context.WithCancel(t.Context())
	f.Cache = object.NewCache(ctx, f.client, newCluster(), retry)
	t.Cleanup(func() { cancel(); f.Wait() })
	return f
}

func (f *fixture) names(ctx context.Context, gr schema.GroupResource, selector string) ([]string, error) {
	sel, err := labels.Parse(selector)
	if err != nil {
		return nil, err
	}
	return f.Names(ctx, gr, "a", sel, sel.String())
}

// until asks until the answer is want, and fails after a while.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within 20s", what)
		}
	}
}

func TestCacheFollowsTheCluster(t *testing.T) {
	web := map[string]string{"app": "web"}
	f := setup(t, metadata("Pod", "a", "p1", web), metadata("Pod", "a", "db", nil), metadata("Service", "a", "s", nil))
	if len(f.client.Actions()) != 0 {
		t.Error("asked for before anybody wanted it")
	}
	got, err := f.names(t.Context(), pods, "app=web")
	if diff := cmp.Diff([]string{"p1"}, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	for _, action := range f.client.Actions() {
		if action.GetResource().Resource != "pods" {
			t.Errorf("asked for %s, which nobody wants", action.GetResource())
		}
		if list, ok := action.(k8stesting.ListAction); ok && list.GetListRestrictions().Fields.String() != "status.phase=Running" {
			t.Errorf("listed pods with the fields %q", list.GetListRestrictions().Fields)
		}
		if w, ok := action.(k8stesting.WatchAction); ok && w.GetWatchRestrictions().Fields.String() != "status.phase=Running" {
			t.Errorf("watched pods with the fields %q", w.GetWatchRestrictions().Fields)
		}
	}

	gvr := pods.WithVersion("v1")
	if err := f.client.Tracker().Add(metadata("Pod", "a", "p2", web)); err != nil {
		t.Fatal(err)
	}
	until(t, "a new pod", func() bool {
		got, _ := f.names(t.Context(), pods, "app=web")
		return cmp.Equal(got, []string{"p1", "p2"})
	})
	ending := metadata("Pod", "a", "p1", web)
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if err := f.client.Tracker().Update(gvr, ending, "a"); err != nil {
		t.Fatal(err)
	}
	until(t, "a terminating pod", func() bool { live, _ := f.Has(t.Context(), pods, "a", "p1"); return !live })
	if err := f.client.Tracker().Delete(gvr, "a", "p2"); err != nil {
		t.Fatal(err)
	}
	until(t, "a deleted pod", func() bool { got, _ := f.names(t.Context(), pods, "app=web"); return len(got) == 0 })
	if f.Held() != 1 {
		t.Errorf("holds %d", f.Held())
	}
}

func TestForbiddenKindFailsAloneAndComesBack(t *testing.T) {
	f := setup(t, metadata("Service", "a", "s", nil), metadata("Pod", "a", "p", nil))
	var allowed atomic.Bool
	f.client.PrependReactor("list", "services", func(k8stesting.Action) (bool, runtime.Object, error) {
		if allowed.Load() {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(services, "", errors.New("rbac"))
	})
	_, err := f.names(t.Context(), services, "")
	want := `the adapter may not list services and watch them: add a ClusterRole labelled loadline.dev/aggregate-to-adapter=true with apiGroups [""], resources ["services"], verbs [list, watch]`
	if metric.ReasonOf(err) != metric.Forbidden || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got, err := f.names(t.Context(), pods, ""); err != nil || len(got) != 1 {
		t.Errorf("another kind: %v, %v", got, err)
	}
	allowed.Store(true)
	until(t, "the right was granted", func() bool {
		got, err := f.names(t.Context(), services, "")
		return err == nil && len(got) == 1
	})
}

func TestAskingTwiceWatchesOnce(t *testing.T) {
	f := setup(t, metadata("Pod", "a", "p", nil))
	var lists atomic.Int64
	f.client.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		lists.Add(1)
		return false, nil, nil
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := f.names(t.Context(), pods, ""); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := lists.Load(); n != 1 {
		t.Errorf("%d lists", n)
	}
}

func TestFirstListThatHangs(t *testing.T) {
	f := setup(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) }) // before the cache's own clean-up
	f.client.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		<-release
		return false, nil, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := f.names(ctx, pods, "")
	if metric.ReasonOf(err) != metric.ObjectsUnknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err %v", err)
	}
}

func TestUnknownKind(t *testing.T) {
	f := setup(t)
	_, err := f.names(t.Context(), schema.GroupResource{Resource: "gizmos"}, "")
	if metric.ReasonOf(err) != metric.Undefined {
		t.Errorf("err %v", err)
	}
}

// A list that failed for a passing reason leaves what is known; a right that was
// taken away does not.
func TestListsThatFailLater(t *testing.T) {
	f := setup(t, metadata("Pod", "a", "p", nil))
	watches := make(chan *watch.FakeWatcher, 100)
	f.client.PrependWatchReactor("pods", func(k8stesting.Action) (bool, watch.Interface, error) {
		w := watch.NewFake()
		watches <- w
		return true, w, nil
	})
	var failure atomic.Pointer[error]
	var failed atomic.Int64
	f.client.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		if err := failure.Load(); err != nil {
			failed.Add(1)
			return true, nil, *err
		}
		return false, nil, nil
	})
	if _, err := f.names(t.Context(), pods, ""); err != nil {
		t.Fatal(err)
	}
	passing := error(apierrors.NewInternalError(errors.New("etcd")))
	failure.Store(&passing)
	(<-watches).Error(&apierrors.NewResourceExpired("too old").ErrStatus) // ends the watch, and relists
	until(t, "the relists", func() bool { return failed.Load() > 1 })
	if got, err := f.names(t.Context(), pods, ""); err != nil || len(got) != 1 {
		t.Errorf("while lists fail: %v, %v", got, err)
	}
	forbidden := error(apierrors.NewForbidden(pods, "", errors.New("rbac")))
	failure.Store(&forbidden)
	until(t, "the right was taken away", func() bool {
		_, err := f.names(t.Context(), pods, "")
		return metric.ReasonOf(err) == metric.Forbidden
	})
	failure.Store(nil)
	until(t, "all is well again", func() bool { _, err := f.names(t.Context(), pods, ""); return err == nil })
}
