package provider_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/metrics"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// usageRules has all four queries.
type usageRules struct{ window time.Duration }

func (usageRules) Of(id metric.Identifier) (catalog.Entry, bool) {
	return catalog.Entry{}, id.Metric == "cpu" || id.Metric == "memory"
}

func (r usageRules) UsageWindow() time.Duration { return r.window }

// newUsage has what held has; nothing is ever evaluated.
func newUsage(held *store.Store, e *evaluator, window time.Duration) *provider.Usage {
	return &provider.Usage{
		Reader: &provider.Reader{
			Demand: demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Hour}), Evaluator: e, Store: held,
			MaxAge: maxAge, Patience: patience, Now: func() time.Time { return start },
		},
		Catalog: usageRules{window}, Metrics: provider.NewMetrics(prometheus.NewRegistry()), Log: klog.Background(),
	}
}

func usageID(name, namespace string) metric.Identifier {
	id := metric.Identifier{API: metric.Resource, Metric: name, Namespace: namespace, Resource: pods}
	if namespace == "" {
		id.Resource = nodes
	}
	return id
}

func used(q string, ago time.Duration) store.Value {
	return store.Value{Quantity: resource.MustParse(q), Time: start.Add(-ago)}
}

func containers(list ...store.Container) map[string][]store.Container {
	return map[string][]store.Container{"web-1": list}
}

// line is one container's usage.
type line struct{ Pod, Container, CPU, Memory string }

func linesOf(all []metrics.PodMetrics) (out []line) {
	for _, p := range all {
		for _, c := range p.Containers {
			l := line{Pod: p.Namespace + "/" + p.Name, Container: c.Name}
			if q, ok := c.Usage[corev1.ResourceCPU]; ok {
				l.CPU = q.String()
			}
			if q, ok := c.Usage[corev1.ResourceMemory]; ok {
				l.Memory = q.String()
			}
			out = append(out, l)
		}
	}
	return out
}

func pod(namespace, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": "web"}}}
}

func TestPodUsage(t *testing.T) {
	bad := metric.Errorf(metric.NotFinite, "NaN")
	for name, tc := range map[string]struct {
		cpu, memory       []store.Container
		cpuErr, memoryErr error
		want              []line
		at                time.Duration // of the pod's time, before start
	}{
		"both": {
			cpu:    []store.Container{{Name: "web", Value: used("150m", 3*time.Second)}, {Name: "proxy", Value: used("1", time.Second)}},
			memory: []store.Container{{Name: "proxy", Value: used("1024", 5*time.Second)}, {Name: "web", Value: used("2097152", 4*time.Second)}},
			want:   []line{{"a/web-1", "proxy", "1", "1Ki"}, {"a/web-1", "web", "150m", "2Mi"}},
			at:     5 * time.Second,
		},
		"one that begins has no CPU, which is not 0": {
			cpu:    []store.Container{{Name: "web", Value: used("1", 0)}},
			memory: []store.Container{{Name: "new", Value: used("1024", 0)}, {Name: "web", Value: used("1024", 0)}},
			want:   []line{{"a/web-1", "new", "", "1Ki"}, {"a/web-1", "web", "1", "1Ki"}},
		},
		"one that has ended is left out": {
			cpu:    []store.Container{{Name: "init", Value: used("1", 0)}, {Name: "web", Value: used("1", 0)}},
			memory: []store.Container{{Name: "web", Value: used("1024", 0)}},
			want:   []line{{"a/web-1", "web", "1", "1Ki"}},
		},
		"a bad value is no value": {
			cpu:    []store.Container{{Name: "web", Err: bad}},
			memory: []store.Container{{Name: "web", Value: used("1024", 0)}},
			want:   []line{{"a/web-1", "web", "", "1Ki"}},
		},
		"a source without memory": {
			cpu:  []store.Container{{Name: "web", Value: used("1", 0)}},
			want: []line{{"a/web-1", "web", "1", ""}},
		},
		"no memory at all is known": {
			cpu:       []store.Container{{Name: "web", Value: used("1", 0)}},
			memoryErr: metric.Errorf(metric.RuleFailed, "no such query"),
			want:      []line{{"a/web-1", "web", "1", ""}},
		},
		"no CPU at all is known": {
			memory: []store.Container{{Name: "web", Value: used("1024", 0)}},
			cpuErr: metric.Errorf(metric.RuleFailed, "no such query"),
			want:   []line{{"a/web-1", "web", "", "1Ki"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			held := store.New()
			put := func(id metric.Identifier, list []store.Container, err error) {
				if err != nil {
					held.Fail(id, start, err)
					return
				}
				d := &store.Data{Evaluated: start, Window: time.Minute}
				if len(list) > 0 {
					d.Containers = containers(list...)
				}
				held.Succeed(id, d)
			}
			put(usageID("cpu", "a"), tc.cpu, tc.cpuErr)
			put(usageID("memory", "a"), tc.memory, tc.memoryErr)
			got, err := newUsage(held, &evaluator{}, 0).GetPodMetrics(pod("a", "web-1"), pod("a", "web-2"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, linesOf(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, p := range got {
				if want := start.Add(-tc.at); !p.Timestamp.Time.Equal(want) || p.Window.Duration != time.Minute || p.Labels["app"] != "web" {
					t.Errorf("time %s, want %s; window %s; labels %v", p.Timestamp, want, p.Window.Duration, p.Labels)
				}
			}
		})
	}
}

// A list through namespaces has what there is; one of nothing says why.
func TestPodUsageOfNamespaces(t *testing.T) {
	held := store.New()
	for _, name := range []string{"cpu", "memory"} {
		held.Succeed(usageID(name, "a"), &store.Data{Evaluated: start, Containers: containers(store.Container{Name: "web", Value: used("1", 0)})})
		held.Fail(usageID(name, "b"), start, metric.Errorf(metric.SourceFailed, "it is away"))
	}
	e := &evaluator{}
	u := newUsage(held, e, 30*time.Second)
	got, err := u.GetPodMetrics(pod("a", "web-1"), pod("b", "web-1"), pod("c", "web-1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]line{{"a/web-1", "web", "1", "1"}}, linesOf(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].Window.Duration != 30*time.Second {
		t.Errorf("window %s, want that of the configuration", got[0].Window.Duration)
	}
	// Of c nothing was known, and all of it is wanted before any of it is waited for.
	if want := []metric.Identifier{usageID("cpu", "c"), usageID("memory", "c")}; len(e.soon) < 2 || !slices.Equal(e.soon[:2], want) {
		t.Errorf("evaluated first %v, want %v", e.soon, want)
	}
	_, err = u.GetPodMetrics(pod("b", "web-1"))
	wantStatus(t, err, 503, "it is away")
	if got, err := u.GetPodMetrics(); err != nil || len(got) != 0 {
		t.Errorf("no pods: %v %v", got, err)
	}
}

// Where there is nothing but what is no number, that is said.
func TestUnusableUsage(t *testing.T) {
	held := store.New()
	for _, name := range []string{"cpu", "memory"} {
		held.Succeed(usageID(name, "a"), &store.Data{Evaluated: start, Containers: containers(store.Container{Name: "web", Err: metric.Errorf(metric.Duplicate, "several samples")})})
	}
	u := newUsage(held, &evaluator{}, 0)
	_, err := u.GetPodMetrics(pod("a", "web-1"))
	wantStatus(t, err, 500, "of container web of pod web-1: several samples")
	if got, err := u.GetPodMetrics(pod("a", "web-2")); err != nil || len(got) != 0 {
		t.Errorf("a pod without any sample: %v, %v", got, err)
	}
}

func TestNodeUsage(t *testing.T) {
	held := store.New()
	objects := func(values map[string]store.Value) *store.Data {
		return &store.Data{Evaluated: start, Window: time.Minute, Objects: values}
	}
	held.Succeed(usageID("cpu", ""), objects(map[string]store.Value{"n1": used("1500m", 9*time.Second), "n2": used("1", 0), "n3": used("-1", 0)}))
	held.Succeed(usageID("memory", ""), objects(map[string]store.Value{"n1": used("1073741824", 2*time.Second), "n3": used("1024", 0)}))
	var all []*corev1.Node
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		all = append(all, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"zone": "x"}}})
	}
	u := newUsage(held, &evaluator{}, 0)
	got, err := u.GetNodeMetrics(all...)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%d nodes, want n1 alone, of which both are known: %v", len(got), got)
	}
	n := got[0]
	cpu, memory := n.Usage[corev1.ResourceCPU], n.Usage[corev1.ResourceMemory]
	if n.Name != "n1" || cpu.String() != "1500m" || memory.String() != "1Gi" || !n.Timestamp.Time.Equal(start.Add(-9*time.Second)) || n.Window.Duration != time.Minute || n.Labels["zone"] != "x" {
		t.Errorf("%+v", n)
	}
	held.Fail(usageID("memory", ""), start, metric.Errorf(metric.RuleFailed, "no such series"))
	_, err = u.GetNodeMetrics(all...)
	wantStatus(t, err, 500, "no such series")
}

// Metrics-server's API gets pods and nodes as they are, with their labels.
func TestLiveForUsage(t *testing.T) {
	live := lister{
		"pods":  {{Namespace: "a", Name: "web-1", Labels: labels.Set{"app": "web"}}, {Namespace: "a", Name: "db-1"}, {Namespace: "b", Name: "web-1", Labels: labels.Set{"app": "web"}}},
		"nodes": {{Name: "n1", Labels: labels.Set{"zone": "x"}}, {Name: "n2"}},
	}
	web := labels.SelectorFromSet(labels.Set{"app": "web"})
	p, n := provider.Pods{Objects: live, Patience: patience}, provider.Nodes{Objects: live, Patience: patience}
	count := func(got int, err error, want int) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%d objects, %v, want %d", got, err, want)
		}
	}
	all, err := p.ByNamespace("").List(web)
	count(len(all), err, 2)
	mine, err := p.ByNamespace("a").List(labels.Everything())
	count(len(mine), err, 2)
	one, err := p.ByNamespace("a").Get("web-1")
	if err != nil || one.(*metav1.PartialObjectMetadata).Labels["app"] != "web" {
		t.Errorf("%v, %v", one, err)
	}
	_, err = p.ByNamespace("b").Get("db-1")
	wantStatus(t, err, 404, `pods "db-1" not found`)
	found, err := n.List(labels.Everything())
	count(len(found), err, 2)
	node, err := n.Get("n1")
	if err != nil || node.Labels["zone"] != "x" {
		t.Errorf("%v, %v", node, err)
	}
	_, err = n.Get("n3")
	wantStatus(t, err, 404, `nodes "n3" not found`)
}

// lister has live objects by resource.
type lister map[string][]metric.Object

func (l lister) List(_ context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) (out []metric.Object, _ error) {
	for _, o := range l[gr.Resource] {
		if (namespace == "" || o.Namespace == namespace) && sel.Matches(o.Labels) {
			out = append(out, o)
		}
	}
	return out, nil
}

// wantStatus checks an error of an API server: its code and what it says.
func wantStatus(t *testing.T, err error, code int32, text string) {
	t.Helper()
	var s apierrors.APIStatus
	if !errors.As(err, &s) || s.Status().Code != code || !strings.Contains(s.Status().Message, text) {
		t.Errorf("%v, want %d with %q", err, code, text)
	}
}
