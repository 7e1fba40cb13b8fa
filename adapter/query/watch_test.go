package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/query"
)

// apiServer lists and watches; it can refuse.
type apiServer struct {
	mu     sync.Mutex
	refuse error
	items  []v1alpha1.AutoscalingPolicy
	lists  int
	events *watch.FakeWatcher // of the newest watch
}

func (s *apiServer) set(refuse error, items ...*v1alpha1.AutoscalingPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.items = refuse, nil
	for _, p := range items {
		s.items = append(s.items, *p)
	}
}

func (s *apiServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

func (s *apiServer) listerWatcher() cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lists++
			if s.refuse != nil {
				return nil, s.refuse
			}
			return &v1alpha1.AutoscalingPolicyList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: s.items}, nil
		},
		WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.refuse != nil {
				return nil, s.refuse
			}
			s.events = watch.NewFake()
			return s.events, nil
		},
	}, noWatchList{})
}

// noWatchList is a client that lists before it watches.
type noWatchList struct{}

func (noWatchList) IsWatchListSemanticsUnSupported() bool { return true }

// said keeps what is logged. ktesting.BufferTL cannot be read while somebody logs.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

// Helper implements ktesting.TL.
func (s *said) Helper() {}

// Log implements ktesting.TL.
func (s *said) Log(args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(&s.text, args...)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *said) lines(contains string) (n int) { return strings.Count(s.String(), contains) }

// follow runs a watcher until the test ends. It must be called inside a bubble.
func follow(t *testing.T, s *apiServer) (*Watcher, *said) {
	t.Helper()
	out := &said{}
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), ktesting.NewLogger(out, ktesting.NewConfig())))
	w := NewWatcher(s.listerWatcher(), New(query.Defaults(), nil, nil))
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
	return w, out
}

func synced(w *Watcher) bool {
	select {
	case <-w.Synced():
		return true
	default:
		return false
	}
}

const lag = "loadline-query.web.lag"

var (
	gone = apierrors.NewNotFound(schema.GroupResource{Group: "loadline.dev", Resource: "autoscalingpolicies"}, "")
	deny = apierrors.NewForbidden(schema.GroupResource{Group: "loadline.dev", Resource: "autoscalingpolicies"}, "", errors.New("no"))
)

func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{}
		s.set(nil, policyWith("shop", "web", time.Hour, "lag=sum(a)"))
		w, _ := follow(t, s)
		check := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, answer(w.table, "shop", lag)); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		check("listed", `sum(a{namespace="shop"})`)
		if !synced(w) {
			t.Error("not synced")
		}
		s.events.Modify(policyWith("shop", "web", time.Hour, "lag=sum(b)"))
		check("modified", `sum(b{namespace="shop"})`)
		s.events.Delete(policyWith("shop", "web", time.Hour, "lag=sum(b)"))
		check("deleted", `undefined: the namespace "shop" has no AutoscalingPolicy "web" with a query "lag"`)
		s.events.Add(policyWith("shop", "web", 0, "lag=sum(c)"))
		check("made anew", `sum(c{namespace="shop"})`)
	})
}

// TestAbsent: a cluster without the custom resource is told once, asked each minute,
// and followed when it has it; when that is deleted, its queries are not served any
// more.
func TestAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{refuse: gone}
		w, out := follow(t, s)
		if !synced(w) {
			t.Error("who waits for the first list waits for ever")
		}
		time.Sleep(10*time.Minute + time.Second)
		if lists := s.count(); lists != 11 {
			t.Errorf("%d lists in 10 minutes", lists)
		}
		const text = "The cluster has no AutoscalingPolicies, so"
		if n := out.lines(text); n != 1 {
			t.Errorf("said %d times: %s", n, out.String())
		}
		if got := answer(w.table, "shop", lag); got != "undefined: the cluster has no AutoscalingPolicies: apply deploy/crd" {
			t.Error(got)
		}
		s.set(nil, policyWith("shop", "web", time.Hour, "lag=sum(a)"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := answer(w.table, "shop", lag); got != `sum(a{namespace="shop"})` {
			t.Error(got)
		}
		s.set(gone)
		s.events.Error(&metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := answer(w.table, "shop", lag); got != "undefined: the cluster has no AutoscalingPolicies: apply deploy/crd" {
			t.Error(got)
		}
		if n := out.lines(text); n != 2 {
			t.Errorf("said %d times: %s", n, out.String())
		}
	})
}

// TestForbidden: what is known goes on being served, and what is not says why.
func TestForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{}
		s.set(nil, policyWith("shop", "web", time.Hour, "lag=sum(a)"))
		w, out := follow(t, s)
		s.set(deny)
		s.events.Stop()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := answer(w.table, "shop", lag); got != `sum(a{namespace="shop"})` {
			t.Error(got)
		}
		if got := answer(w.table, "shop", "loadline-query.web.new"); !strings.HasPrefix(got, "forbidden: AutoscalingPolicies may not be listed: apply deploy/policy: ") {
			t.Error(got)
		}
		if n := out.lines("AutoscalingPolicies may not be listed"); n != 1 {
			t.Errorf("said %d times: %s", n, out.String())
		}
	})
}

// TestBroken: a failure that says nothing about what there is does not count as a list.
func TestBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &apiServer{refuse: apierrors.NewInternalError(errors.New("etcd"))}
		w, _ := follow(t, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if synced(w) || !strings.HasPrefix(answer(w.table, "shop", lag), "pending: ") {
			t.Errorf("synced %v, %s", synced(w), answer(w.table, "shop", lag))
		}
		if lists := s.count(); lists < 6 || lists > 13 {
			t.Errorf("%d lists in a minute", lists)
		}
	})
}

// TestPolicies asks an API server over HTTP, as a cluster does, for what the types are.
func TestPolicies(t *testing.T) {
	var paths []string
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") != "" {
			http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`, http.StatusUnprocessableEntity)
			return
		}
		_, _ = w.Write([]byte(`{"apiVersion":"loadline.dev/v1alpha1","kind":"AutoscalingPolicyList","metadata":{"resourceVersion":"7"},"items":[
{"apiVersion":"loadline.dev/v1alpha1","kind":"AutoscalingPolicy","metadata":{"name":"web","namespace":"shop","creationTimestamp":"2026-11-23T12:00:00Z"},
"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"replicas":{"min":1,"max":3},"aFieldOfTomorrow":1,
"objectives":[{"cpu":{"utilization":60}},{"query":{"name":"lag","expr":"sum(lag)","perPod":"100"}}]}}]}`))
	}))
	defer server.Close()
	policies, err := Policies(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	w := NewWatcher(policies, New(query.Defaults(), nil, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	select {
	case <-w.Synced():
	case <-ctx.Done():
		t.Fatal("no list")
	}
	if got := answer(w.table, "shop", lag); got != `sum(lag{namespace="shop"})` {
		t.Error(got)
	}
	cancel()
	wg.Wait()
	server.CloseClientConnections()
	mu.Lock()
	defer mu.Unlock()
	for _, path := range paths {
		if path != "/apis/loadline.dev/v1alpha1/autoscalingpolicies" {
			t.Errorf("asked for %s", path)
		}
	}
}
