package follow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/builtin"
	"github.com/loadline/loadline/provider/source/embedded/follow"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// demand is what is wanted; of these what begins with read_ is only read.
type demand struct {
	mu  sync.Mutex
	all []metric.Identifier
}

func (d *demand) want(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = nil
	for _, n := range names {
		d.all = append(d.all, metric.Identifier{API: metric.Custom, Metric: n, Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}})
	}
}

func (d *demand) Wanted() []metric.Identifier {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

func (d *demand) Referenced(id metric.Identifier) bool { return !strings.HasPrefix(id.Metric, "read_") }

// last is what was handed on last.
type last struct {
	mu      sync.Mutex
	targets []target.Target
	filter  wanted.Filter
}

func (l *last) set(targets []target.Target, _ target.Fence, filter wanted.Filter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets, l.filter = targets, filter
}

func (l *last) await(t *testing.T, keeps string, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		l.mu.Lock()
		var got []string
		for _, one := range l.targets {
			got = append(got, one.ID())
		}
		kept := l.filter.Keep(keeps)
		l.mu.Unlock()
		diff := cmp.Diff(want, got)
		if diff == "" && (kept || keeps == "") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("keeps %s: %t; targets (-want +got):\n%s", keeps, kept, diff)
		}
	}
}

func running(name, ip string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Image: "x", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9090}}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, HostIP: "192.168.0.1"},
	}
}

func TestFollow(t *testing.T) {
	rules, err := rule.Compile(builtin.Rules(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	client, wants, got := fake.NewClientset(running("a", "10.0.0.1")), &demand{}, &last{}
	f := follow.New(follow.Options{Client: client, Demand: wants, Rules: func() *rule.Set { return rules }, Set: got.set})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	select {
	case <-f.Synced():
	case <-time.After(20 * time.Second):
		t.Fatal("not synced")
	}
	got.await(t, "") // nobody wants a pod

	f.Select("shop/web", "shop", "app=web")
	got.await(t, "", "shop/a http://10.0.0.1:9090/metrics")

	wants.want("jobs_per_second", "read_per_second")
	got.await(t, "jobs_total", "shop/a http://10.0.0.1:9090/metrics")
	got.mu.Lock()
	if got.filter.Keep("read_total") || got.filter.Keep("other_total") {
		t.Errorf("what nobody references is kept: %s", got.filter.String())
	}
	got.mu.Unlock()

	pods := client.CoreV1().Pods("shop")
	if _, err := pods.Create(ctx, running("b", "10.0.0.2"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got.await(t, "jobs_total", "shop/a http://10.0.0.1:9090/metrics", "shop/b http://10.0.0.2:9090/metrics")
	if _, err := pods.Create(ctx, running("c", "192.168.0.1"), metav1.CreateOptions{}); err != nil { // a node's
		t.Fatal(err)
	}
	if err := pods.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	got.await(t, "jobs_total", "shop/b http://10.0.0.2:9090/metrics")
	for deadline := time.Now().Add(20 * time.Second); len(f.Refused()) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("refused are %v", f.Refused())
		}
	}
	if r := f.Refused()[0]; r.Pod != "c" || !strings.Contains(fmt.Sprint(r), "the address of its node") {
		t.Errorf("refused is %v", r)
	}

	f.Select("shop/web", "shop", "")
	got.await(t, "jobs_total")
}

// What is wanted already is wanted for another namespace, and for one no more: that is news, for
// it is kept of other pods.
func TestTheNamespaceOfWhatIsWanted(t *testing.T) {
	rules, err := rule.Compile(builtin.Rules(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wants, got := &demand{}, &last{}
	f := follow.New(follow.Options{Client: fake.NewClientset(), Demand: wants, Rules: func() *rule.Set { return rules }, Set: got.set})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	for _, namespaces := range []string{"a", "a b", "b", "b c", ""} {
		var ids []metric.Identifier
		for _, namespace := range strings.Fields(namespaces) {
			ids = append(ids, metric.Identifier{API: metric.Custom, Metric: "jobs_per_second", Namespace: namespace, Resource: schema.GroupResource{Resource: "pods"}})
		}
		wants.mu.Lock()
		wants.all = ids
		wants.mu.Unlock()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			var kept []string
			got.mu.Lock()
			for _, namespace := range []string{"a", "b", "c"} {
				if got.filter.Within(namespace)("jobs_total") {
					kept = append(kept, namespace)
				}
			}
			got.mu.Unlock()
			if strings.Join(kept, " ") == namespaces {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("wanted for %q, kept for %q", namespaces, kept)
			}
		}
	}
}

func TestQueriesAreKept(t *testing.T) {
	rules, err := rule.Compile(builtin.Rules(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	got := &last{}
	f := follow.New(follow.Options{
		Client: fake.NewClientset(), Demand: &demand{}, Rules: func() *rule.Set { return rules },
		Queries: func() []string { return slices.Clone([]string{`max(lag{namespace="shop"})`}) }, Set: got.set,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	got.await(t, "lag")
}
