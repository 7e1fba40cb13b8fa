package follow_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/builtin"
	"github.com/loadline/loadline/provider/source/embedded/follow"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

// withExporters are the built-in rules and exporters, as a file has them.
func withExporters(t *testing.T, exporters string) *rule.Set {
	t.Helper()
	rules, err := rule.Compile([]byte(string(builtin.Rules(5*time.Second)) + "\nexporters:\n" + exporters))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// following is a follower that runs until the test ends, and what can be changed of its world.
type following struct {
	*follow.Follower
	*last
	client *fake.Clientset
	rules  atomic.Pointer[rule.Set]
}

func newFollowing(t *testing.T, rules *rule.Set, client *fake.Clientset) *following {
	t.Helper()
	f := &following{last: &last{}, client: client}
	f.rules.Store(rules)
	f.Follower = follow.New(follow.Options{Client: client, Demand: &demand{}, Rules: f.rules.Load, Set: f.set})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-f.Synced():
	case <-time.After(20 * time.Second):
		t.Fatal("not synced")
	}
	return f
}

// refuses waits until these are refused.
func (f *following) refuses(t *testing.T, want ...target.Refusal) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		diff := cmp.Diff(want, f.Refused())
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("refused (-want +got):\n%s", diff)
		}
	}
}

// endpointSlice is one of a Service with a pod of the Service's name in it.
func endpointSlice(namespace, service, address string, ready bool) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service + "-x", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: service},
		}},
	}
}

// watches are those of EndpointSlices that a client has open, as NAMESPACE SELECTOR.
type watches struct {
	mu   sync.Mutex
	open map[string]int
}

type openWatch struct {
	watch.Interface
	once   sync.Once
	closed func()
}

func (w *openWatch) Stop() { w.once.Do(w.closed); w.Interface.Stop() }

func watchesOf(client *fake.Clientset) *watches {
	w := &watches{open: map[string]int{}}
	client.PrependWatchReactor("endpointslices", func(action clienttesting.Action) (bool, watch.Interface, error) {
		asked := action.(clienttesting.WatchActionImpl)
		inner, err := client.Tracker().Watch(asked.GetResource(), asked.GetNamespace(), asked.ListOptions)
		key := asked.GetNamespace() + " " + asked.ListOptions.LabelSelector
		add := func(n int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.open[key] += n; w.open[key] == 0 {
				delete(w.open, key)
			}
		}
		if err == nil {
			add(1)
		}
		return true, &openWatch{Interface: inner, closed: func() { add(-1) }}, err
	})
	return w
}

func (w *watches) are(t *testing.T, services ...string) {
	t.Helper()
	want := map[string]int{"default kubernetes.io/service-name=kubernetes": 1}
	for _, s := range services {
		want[s] = 1
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		diff := cmp.Diff(want, w.open)
		w.mu.Unlock()
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("watches (-want +got):\n%s", diff)
		}
	}
}

// An exporter is scraped though no HPA scales it, by what EndpointSlices of its Service say,
// from the reload that names it to the one that does not; and only so long they are watched.
func TestExporters(t *testing.T) {
	queue := running("queue", "10.0.0.1")
	client := fake.NewClientset(queue, running("other", "10.0.0.2"), endpointSlice("shop", "queue", "10.0.0.1", true), endpointSlice("shop", "unnamed", "10.0.0.2", true))
	open := watchesOf(client)
	f := newFollowing(t, withExporters(t, ""), client)
	f.await(t, "")
	open.are(t)

	const byService = "- {name: q, namespace: shop, service: queue, honorLabels: true}\n"
	f.rules.Store(withExporters(t, byService))
	f.await(t, "", "shop/queue http://10.0.0.1:9090/metrics")
	open.are(t, "shop kubernetes.io/service-name=queue")
	f.last.mu.Lock()
	if one := f.targets[0]; one.Exporter != "q" || !one.Honor {
		t.Errorf("%+v is not what the file says", one)
	}
	f.last.mu.Unlock()

	endpoints := client.DiscoveryV1().EndpointSlices("shop")
	if _, err := endpoints.Update(t.Context(), endpointSlice("shop", "queue", "10.0.0.1", false), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "")
	f.refuses(t, target.Refusal{Namespace: "shop", Exporter: "q", Reason: "no running pod is a ready endpoint of the Service queue"})
	if _, err := endpoints.Update(t.Context(), endpointSlice("shop", "queue", "10.0.0.1", true), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "", "shop/queue http://10.0.0.1:9090/metrics")
	f.refuses(t)

	// Two of one Service, and one of a Service that there is not.
	f.rules.Store(withExporters(t, byService+"- {name: r, namespace: shop, service: queue, port: 81}\n- {name: s, namespace: infra, service: gone}\n"))
	f.await(t, "", "shop/queue http://10.0.0.1:81/metrics", "shop/queue http://10.0.0.1:9090/metrics")
	open.are(t, "shop kubernetes.io/service-name=queue", "infra kubernetes.io/service-name=gone")
	f.refuses(t, target.Refusal{Namespace: "infra", Exporter: "s", Reason: "no running pod is a ready endpoint of the Service gone"})

	f.rules.Store(withExporters(t, "- {name: q, namespace: shop, podSelector: app=web, port: 82}\n"))
	f.await(t, "", "shop/other http://10.0.0.2:82/metrics", "shop/queue http://10.0.0.1:82/metrics")
	open.are(t)
	f.rules.Store(withExporters(t, ""))
	f.await(t, "")
	f.refuses(t)
}

// Without the right to EndpointSlices the exporters that need them are refused, which costs
// nobody else anything; once it is given they are scraped.
func TestServicesThatCannotBeWatched(t *testing.T) {
	client := fake.NewClientset(running("queue", "10.0.0.1"), endpointSlice("shop", "queue", "10.0.0.1", true))
	var allowed atomic.Bool
	client.PrependReactor("list", "endpointslices", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return !allowed.Load(), nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "", nil)
	})
	f := newFollowing(t, withExporters(t, "- {name: q, namespace: shop, service: queue}\n- {name: r, namespace: shop, podSelector: app=web, port: 81}\n"), client)
	f.await(t, "", "shop/queue http://10.0.0.1:81/metrics")
	refused := f.Refused()
	if !slices.ContainsFunc(refused, func(r target.Refusal) bool {
		return r.Exporter == "q" && strings.HasPrefix(r.Reason, "the EndpointSlices of its Service queue cannot be watched: ") && strings.Contains(r.Reason, "forbidden")
	}) {
		t.Errorf("refused are %v", refused)
	}
	allowed.Store(true)
	f.await(t, "", "shop/queue http://10.0.0.1:81/metrics", "shop/queue http://10.0.0.1:9090/metrics")
	f.refuses(t)
}

// Whatever name the API server is known by, no pod is scraped at an address of it.
func TestAPIServersAreFenced(t *testing.T) {
	servers := endpointSlice("default", "kubernetes", "10.0.0.1", true)
	servers.Endpoints[0].TargetRef = nil
	client := fake.NewClientset(running("a", "10.0.0.1"), running("b", "10.0.0.2"), servers)
	f := newFollowing(t, withExporters(t, ""), client)
	f.Select("shop/web", "shop", "app=web")
	f.await(t, "", "shop/b http://10.0.0.2:9090/metrics")
	f.refuses(t, target.Refusal{Namespace: "shop", Pod: "a", Reason: "10.0.0.1 is the address of the API server"})

	servers.Endpoints[0].Addresses = []string{"10.0.0.2"}
	if _, err := client.DiscoveryV1().EndpointSlices("default").Update(t.Context(), servers, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "", "shop/a http://10.0.0.1:9090/metrics")
	f.refuses(t, target.Refusal{Namespace: "shop", Pod: "b", Reason: "10.0.0.2 is the address of the API server"})
}
