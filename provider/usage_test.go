package provider_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"
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

// newUsage has what held has, of these live objects; nothing is ever evaluated.
func newUsage(held *store.Store, e *evaluator, window time.Duration, live lister) *provider.Usage {
	return &provider.Usage{
		Reader: &provider.Reader{
			Demand: demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Hour}), Evaluator: e, Store: held,
			MaxAge: maxAge, Patience: patience, Now: func() time.Time { return start },
		},
		Catalog: usageRules{window}, Objects: live, Metrics: provider.NewMetrics(prometheus.NewRegistry()), Log: klog.Background(),
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

// pod is a live one.
func pod(namespace, name string) metric.Object {
	return metric.Object{Namespace: namespace, Name: name, Labels: labels.Set{"app": "web"}}
}

// list is what the API lists in a namespace, or in all where that is empty. The selectors
// may be empty.
func list(t *testing.T, u *provider.Usage, namespace, label, field string) ([]metrics.PodMetrics, error) {
	t.Helper()
	options := &metainternalversion.ListOptions{LabelSelector: parse(t, label), FieldSelector: parseFields(t, field)}
	got, err := provider.PodUsage{Usage: u}.List(request.WithNamespace(t.Context(), namespace), options)
	if err != nil {
		return nil, err
	}
	return got.(*metrics.PodMetricsList).Items, nil
}

func parseFields(t *testing.T, selector string) fields.Selector {
	t.Helper()
	s, err := fields.ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s
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
			got, err := list(t, newUsage(held, &evaluator{}, 0, lister{"pods": {pod("a", "web-1"), pod("a", "web-2")}}), "a", "", "")
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
	u := newUsage(held, e, 30*time.Second, lister{"pods": {pod("a", "web-1"), pod("b", "web-1"), pod("c", "web-1")}})
	got, err := list(t, u, "", "", "")
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
	_, err = list(t, u, "b", "", "")
	wantStatus(t, err, 503, "it is away")
	_, err = provider.PodUsage{Usage: u}.Get(request.WithNamespace(t.Context(), "b"), "web-1", nil)
	wantStatus(t, err, 503, "it is away")
	if got, err := list(t, u, "empty", "", ""); err != nil || got == nil || len(got) != 0 {
		t.Errorf("no pods: %#v %v", got, err)
	}
}

// Where there is nothing but what is no number, that is said.
func TestUnusableUsage(t *testing.T) {
	held := store.New()
	for _, name := range []string{"cpu", "memory"} {
		held.Succeed(usageID(name, "a"), &store.Data{Evaluated: start, Containers: containers(store.Container{Name: "web", Err: metric.Errorf(metric.Duplicate, "several samples")})})
	}
	u := newUsage(held, &evaluator{}, 0, lister{"pods": {pod("a", "web-1"), pod("a", "web-2")}})
	_, err := list(t, u, "a", "", "metadata.name=web-1")
	wantStatus(t, err, 500, "of container web of pod web-1: several samples")
	if got, err := list(t, u, "a", "", "metadata.name=web-2"); err != nil || len(got) != 0 {
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
	var all []metric.Object
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		all = append(all, metric.Object{Name: name, Labels: labels.Set{"zone": "x"}})
	}
	storage := provider.NodeUsage{Usage: newUsage(held, &evaluator{}, 0, lister{"nodes": all})}
	answer, err := storage.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := answer.(*metrics.NodeMetricsList).Items
	if len(got) != 1 {
		t.Fatalf("%d nodes, want n1 alone, of which both are known: %v", len(got), got)
	}
	n := got[0]
	cpu, memory := n.Usage[corev1.ResourceCPU], n.Usage[corev1.ResourceMemory]
	if n.Name != "n1" || cpu.String() != "1500m" || memory.String() != "1Gi" || !n.Timestamp.Time.Equal(start.Add(-9*time.Second)) || n.Window.Duration != time.Minute || n.Labels["zone"] != "x" {
		t.Errorf("%+v", n)
	}
	one, err := storage.Get(t.Context(), "n1", nil)
	if err != nil || one.(*metrics.NodeMetrics).Name != "n1" {
		t.Errorf("%v, %v", one, err)
	}
	_, err = storage.Get(t.Context(), "n2", nil)
	wantStatus(t, err, 404, `nodemetrics.metrics.k8s.io "n2" not found`)
	_, err = storage.Get(t.Context(), "n5", nil)
	wantStatus(t, err, 404, `nodes "n5" not found`)
	held.Fail(usageID("memory", ""), start, metric.Errorf(metric.RuleFailed, "no such series"))
	_, err = storage.List(t.Context(), nil)
	wantStatus(t, err, 500, "no such series")
	_, err = storage.Get(t.Context(), "n1", nil)
	wantStatus(t, err, 500, "no such series")
}

// Which objects are listed, and in which order.
func TestSelectUsage(t *testing.T) {
	held := store.New()
	everywhere := map[string][]store.Container{}
	for _, name := range []string{"web-1", "web-2", "db-1"} {
		everywhere[name] = []store.Container{{Name: "c", Value: used("1", 0)}}
	}
	for _, ns := range []string{"a", "b"} {
		for _, name := range []string{"cpu", "memory"} {
			held.Succeed(usageID(name, ns), &store.Data{Evaluated: start, Containers: everywhere})
		}
	}
	u := newUsage(held, &evaluator{}, 0, lister{"pods": {
		pod("b", "web-1"), pod("a", "web-2"), {Namespace: "a", Name: "db-1", Labels: labels.Set{"app": "db"}}, pod("a", "web-1"), pod("a", "new"),
	}})
	for name, tc := range map[string]struct {
		namespace, label, field string
		want                    []string
	}{
		"all, sorted":                    {"", "", "", []string{"a/db-1", "a/web-1", "a/web-2", "b/web-1"}},
		"of a namespace":                 {"a", "", "", []string{"a/db-1", "a/web-1", "a/web-2"}},
		"by labels":                      {"", "app=web", "", []string{"a/web-1", "a/web-2", "b/web-1"}},
		"by name":                        {"", "", "metadata.name=web-1", []string{"a/web-1", "b/web-1"}},
		"by another name":                {"a", "", "metadata.name!=web-1", []string{"a/db-1", "a/web-2"}},
		"by namespace, as a field":       {"", "app!=db", "metadata.namespace=a", []string{"a/web-1", "a/web-2"}},
		"a field that it has not":        {"", "", "status.phase=Running", nil},
		"nothing that matches":           {"a", "app=cache", "", nil},
		"what has no value is not there": {"a", "", "metadata.name=new", nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := list(t, u, tc.namespace, tc.label, tc.field)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range found {
				got = append(got, p.Namespace+"/"+p.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	in := func(namespace string) context.Context { return request.WithNamespace(t.Context(), namespace) }
	one, err := provider.PodUsage{Usage: u}.Get(in("a"), "web-2", nil)
	if err != nil || one.(*metrics.PodMetrics).Name != "web-2" || one.(*metrics.PodMetrics).Namespace != "a" {
		t.Errorf("%v, %v", one, err)
	}
	_, err = provider.PodUsage{Usage: u}.Get(in("b"), "web-2", nil)
	wantStatus(t, err, 404, `pods "web-2" not found`)
	_, err = provider.PodUsage{Usage: u}.Get(in("a"), "new", nil)
	wantStatus(t, err, 404, `podmetrics.metrics.k8s.io "a/new" not found`)
}

// slow takes its time for a list, or all the time that there is.
type slow struct {
	lister
	takes time.Duration
}

func (s slow) List(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) ([]metric.Object, error) {
	select {
	case <-time.After(s.takes):
		return s.lister.List(ctx, gr, namespace, sel)
	case <-ctx.Done():
		return nil, metric.Because(metric.ObjectsUnknown, ctx.Err(), "the list of pods is not there yet")
	}
}

// The list of the objects and the first evaluation have one patience together, and none of
// whoever has gone.
func TestUsageWaitsOnce(t *testing.T) {
	live := lister{"pods": {pod("a", "web-1"), pod("b", "web-1")}, "nodes": {{Name: "n1"}}}
	for name, tc := range map[string]struct {
		lists time.Duration
		gone  time.Duration // 0: never
		want  time.Duration
		says  string
	}{
		"the list hangs":                   {time.Hour, 0, patience, "the list of pods is not there yet"},
		"it takes most of the time":        {patience * 9 / 10, 0, patience, "the first evaluation has not finished"},
		"whoever asked has gone meanwhile": {0, patience / 2, patience / 2, "the first evaluation has not finished"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUsage(store.New(), &evaluator{}, 0, nil)
				u.Objects = slow{live, tc.lists}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.gone > 0 {
					time.AfterFunc(tc.gone, cancel)
				}
				for what, read := range map[string]func() (any, error){
					"pods": func() (any, error) { return provider.PodUsage{Usage: u}.List(request.WithNamespace(ctx, ""), nil) },
					"pod": func() (any, error) {
						return provider.PodUsage{Usage: u}.Get(request.WithNamespace(ctx, "a"), "web-1", nil)
					},
					"nodes": func() (any, error) { return provider.NodeUsage{Usage: u}.List(ctx, nil) },
					"node":  func() (any, error) { return provider.NodeUsage{Usage: u}.Get(ctx, "n1", nil) },
				} {
					if tc.gone > 0 && what != "pods" { // it can go once
						continue
					}
					began := time.Now()
					_, err := read()
					wantStatus(t, err, 503, tc.says)
					if took := time.Since(began); took != tc.want {
						t.Errorf("%s took %s, want %s", what, took, tc.want)
					}
				}
			})
		})
	}
}

// kubectl get shows both resources whatever the first object has, and no 0 for what is not
// known.
func TestUsageTable(t *testing.T) {
	window := metav1.Duration{Duration: time.Minute}
	container := func(usage ...string) metrics.ContainerMetrics {
		c := metrics.ContainerMetrics{Usage: corev1.ResourceList{}}
		for i := 0; i < len(usage); i += 2 {
			c.Usage[corev1.ResourceName(usage[i])] = resource.MustParse(usage[i+1])
		}
		return c
	}
	of := func(name string, containers ...metrics.ContainerMetrics) metrics.PodMetrics {
		return metrics.PodMetrics{ObjectMeta: metav1.ObjectMeta{Name: name}, Window: window, Containers: containers}
	}
	pods, nodes := provider.PodUsage{}, provider.NodeUsage{}
	begun := of("begun", container("memory", "1Ki"))
	node := metrics.NodeMetrics{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Window: window, Usage: container("cpu", "2", "memory", "1Gi").Usage}
	list := &metrics.PodMetricsList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []metrics.PodMetrics{
		begun,
		of("web", container("cpu", "100m", "memory", "1Ki"), container("cpu", "150m", "memory", "3Ki")),
		of("half", container("cpu", "1", "memory", "1Ki"), container("memory", "1Ki")),
		of("other half", container("memory", "1Ki"), container("cpu", "1", "memory", "1Ki")),
	}}
	for name, tc := range map[string]struct {
		convert func(context.Context, runtime.Object, runtime.Object) (*metav1.Table, error)
		object  runtime.Object
		want    [][]any
	}{
		"pods": {pods.ConvertToTable, list, [][]any{
			{"begun", "<unknown>", "1Ki", "1m0s"},
			{"web", "250m", "4Ki", "1m0s"},
			{"half", "<unknown>", "2Ki", "1m0s"},
			{"other half", "<unknown>", "2Ki", "1m0s"},
		}},
		"no pods":  {pods.ConvertToTable, &metrics.PodMetricsList{}, nil},
		"one pod":  {pods.ConvertToTable, &begun, [][]any{{"begun", "<unknown>", "1Ki", "1m0s"}}},
		"nodes":    {nodes.ConvertToTable, &metrics.NodeMetricsList{Items: []metrics.NodeMetrics{node}}, [][]any{{"n1", "2", "1Gi", "1m0s"}}},
		"one node": {nodes.ConvertToTable, &node, [][]any{{"n1", "2", "1Gi", "1m0s"}}},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := tc.convert(t.Context(), tc.object, nil)
			if err != nil {
				t.Fatal(err)
			}
			var columns []string
			for _, c := range table.ColumnDefinitions {
				columns = append(columns, c.Name)
			}
			if diff := cmp.Diff([]string{"Name", "cpu", "memory", "Window"}, columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			var rows [][]any
			for _, r := range table.Rows {
				rows = append(rows, r.Cells)
				if o, err := meta.Accessor(r.Object.Object); err != nil || o.GetName() != r.Cells[0] {
					t.Errorf("the row of %s is of %v, %v", r.Cells[0], r.Object.Object, err)
				}
			}
			if diff := cmp.Diff(tc.want, rows); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if table, err := pods.ConvertToTable(t.Context(), list, nil); err != nil || table.ResourceVersion != "7" {
		t.Errorf("%v, %v", table, err)
	}
	if q := list.Items[1].Containers[0].Usage[corev1.ResourceCPU]; q.String() != "100m" {
		t.Errorf("a total has changed what it is of, to %s", &q)
	}
	for _, convert := range []func(context.Context, runtime.Object, runtime.Object) (*metav1.Table, error){pods.ConvertToTable, nodes.ConvertToTable} {
		if _, err := convert(t.Context(), &metav1.Status{}, nil); err == nil || !strings.Contains(err.Error(), "*v1.Status") {
			t.Errorf("a table of a Status: %v", err)
		}
	}
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
