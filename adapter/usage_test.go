package adapter

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	promlabels "github.com/prometheus/prometheus/model/labels"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

const usageRules = `
resourceRules:
  window: 3m
  cpu:
    containerLabel: container
    containerQuery: sum by (<<.GroupBy>>) (rate(cpu{<<.LabelMatchers>>}[3m]))
    nodeQuery: sum by (<<.GroupBy>>) (rate(cpu{<<.LabelMatchers>>}[3m]))
    resources: {template: <<.Resource>>}
  memory:
    containerLabel: container
    containerQuery: sum by (<<.GroupBy>>) (memory{<<.LabelMatchers>>})
    nodeQuery: sum by (<<.GroupBy>>) (memory{<<.LabelMatchers>>})
    resources: {template: <<.Resource>>}
`

// usageCluster has three pods in two namespaces on one node, and a source that knows two.
type usageCluster struct {
	away   atomic.Bool // the source is
	begins atomic.Bool // web-1 has no CPU yet

	mu    sync.Mutex
	asked []string
}

var usagePods = []metric.Object{
	{Namespace: "a", Name: "web-1", Labels: labels.Set{"app": "web"}},
	{Namespace: "a", Name: "web-2", Labels: labels.Set{"app": "web"}},
	{Namespace: "b", Name: "db-1", Labels: labels.Set{"app": "db"}},
}

func (c *usageCluster) List(_ context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) (out []metric.Object, _ error) {
	all := usagePods
	if gr.Resource == "nodes" {
		all = []metric.Object{{Name: "n1"}}
	}
	for _, o := range all {
		if (namespace == "" || o.Namespace == namespace) && sel.Matches(o.Labels) {
			out = append(out, o)
		}
	}
	return out, nil
}

func (c *usageCluster) Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, _ string) (names []string, _ error) {
	found, err := c.List(ctx, gr, namespace, sel)
	for _, o := range found {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names, err
}

func (c *usageCluster) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
}
func (c *usageCluster) Count(schema.GroupResource, string) (int, bool) { return 0, false }

func (c *usageCluster) Query(_ context.Context, promQL string) (source.Answer, error) {
	c.mu.Lock()
	c.asked = append(c.asked, promQL)
	c.mu.Unlock()
	if c.away.Load() {
		return source.Answer{}, &source.Error{Kind: source.Unavailable, Text: "connection refused"}
	}
	sample := func(v float64, l ...string) source.Sample {
		return source.Sample{Labels: promlabels.FromStrings(l...), Value: v, Time: time.Unix(1_000_000_000, 0)}
	}
	v := .25
	if strings.Contains(promQL, "memory") {
		v = 1 << 20
	}
	if strings.Contains(promQL, "node=") {
		return source.Answer{Samples: []source.Sample{sample(v, "node", "n1")}}, nil
	}
	samples := []source.Sample{sample(2*v, "namespace", "b", "pod", "db-1", "container", "db")}
	if v > 1 || !c.begins.Load() {
		samples = append(samples,
			sample(v, "namespace", "a", "pod", "web-1", "container", "web"),
			sample(v, "namespace", "a", "pod", "web-1", "container", "proxy"))
	}
	return source.Answer{Samples: samples}, nil
}

// serveUsage serves metrics.k8s.io over real HTTP, to anybody.
func serveUsage(t *testing.T) (*rest.Config, *usageCluster, *demand.Registry) {
	t.Helper()
	rules, err := rule.Compile([]byte(usageRules))
	if err != nil {
		t.Fatal(err)
	}
	c := &usageCluster{}
	wanted := demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute})
	held := store.New()
	mapper, _ := newCluster(t)
	known := catalog.New(catalog.Options{Rules: rules, Source: ones{}, Scopes: mapper, MaxAge: time.Hour, Now: time.Now})
	registry := prometheus.NewRegistry()
	evaluator := eval.New(eval.Options{
		Source: c, Catalog: known, Objects: c, Mapper: mapper, Demand: wanted, Store: held,
		Metrics: eval.NewMetrics(registry), Interval: time.Hour, Timeout: time.Second, Concurrency: 1, Now: time.Now,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { evaluator.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	server := newTestServer(t, newTestConfig(nil, nil, nil), nil, nil)
	t.Cleanup(server.Destroy)
	u := &provider.Usage{
		Reader:  &provider.Reader{Demand: wanted, Evaluator: alone(evaluator), Store: held, MaxAge: time.Minute, Patience: time.Second, Now: time.Now},
		Catalog: known, Objects: c, Metrics: provider.NewMetrics(registry), Log: klog.Background(),
	}
	if err := installUsage(server, u); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server.Handler)
	t.Cleanup(front.Close)
	return &rest.Config{Host: front.URL}, c, wanted
}

// The typed client of `kubectl top` and of the HPA controller gets what the source has.
func TestUsageIsServed(t *testing.T) {
	config, c, wanted := serveUsage(t)
	client, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	everywhere, err := client.PodMetricses("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range everywhere.Items {
		for _, one := range p.Containers {
			got[p.Namespace+"/"+p.Name+"/"+one.Name] = one.Usage.Cpu().String() + " " + one.Usage.Memory().String()
		}
		if !p.Timestamp.Time.Equal(time.Unix(1_000_000_000, 0)) || p.Window.Duration != 3*time.Minute {
			t.Errorf("%s: time %s, window %s", p.Name, p.Timestamp, p.Window.Duration)
		}
	}
	want := map[string]string{"a/web-1/web": "250m 1Mi", "a/web-1/proxy": "250m 1Mi", "b/db-1/db": "500m 2Mi"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Both namespaces were one query for each resource.
	c.mu.Lock()
	slices.Sort(c.asked)
	if diff := cmp.Diff([]string{
		`sum by (pod, container, namespace) (memory{namespace=~"a|b",pod=~"db-1|web-1|web-2"})`,
		`sum by (pod, container, namespace) (rate(cpu{namespace=~"a|b",pod=~"db-1|web-1|web-2"}[3m]))`,
	}, c.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	c.mu.Unlock()

	// What the HPA controller asks for is what an HPA's reference has evaluated.
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web"}}
	hpa.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType}}
	for _, id := range reference.Usage(hpa) {
		if !wanted.Has(id) {
			t.Errorf("%s is referenced, and another metric is read", id)
		}
	}
	of, err := client.PodMetricses("a").List(t.Context(), metav1.ListOptions{LabelSelector: "app=db"})
	if err != nil || len(of.Items) != 0 {
		t.Errorf("pods of another namespace: %v, %v", of, err)
	}
	if _, err := client.PodMetricses("a").Get(t.Context(), "web-2", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a pod without a value: %v", err)
	}
	n, err := client.NodeMetricses().Get(t.Context(), "n1", metav1.GetOptions{})
	if err != nil || n.Usage.Cpu().String() != "250m" || n.Usage.Memory().String() != "1Mi" {
		t.Errorf("%+v, %v", n, err)
	}
}

// While the source is away usage is answered as the other metrics are, and a read is no
// error of ours that would be logged each time.
func TestUsageOfASourceThatIsAway(t *testing.T) {
	config, c, _ := serveUsage(t)
	c.away.Store(true)
	client, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	before := klog.CaptureState()
	var log bytes.Buffer
	klog.LogToStderr(false)
	klog.SetOutput(&log)
	got := map[string]error{}
	_, got["pods"] = client.PodMetricses("a").List(t.Context(), metav1.ListOptions{})
	_, got["all pods"] = client.PodMetricses("").List(t.Context(), metav1.ListOptions{})
	_, got["a pod"] = client.PodMetricses("a").Get(t.Context(), "web-1", metav1.GetOptions{})
	_, got["nodes"] = client.NodeMetricses().List(t.Context(), metav1.ListOptions{})
	_, got["a node"] = client.NodeMetricses().Get(t.Context(), "n1", metav1.GetOptions{})
	klog.Flush()
	before.Restore()
	for what, err := range got {
		if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v, want 503 with the cause", what, err)
		}
	}
	for line := range strings.Lines(log.String()) {
		if strings.HasPrefix(line, "E") {
			t.Errorf("logged: %s", line)
		}
	}
}

// kubectl get podmetrics asks for a table.
func TestUsageIsServedAsATable(t *testing.T) {
	config, c, _ := serveUsage(t)
	c.begins.Store(true)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+"/apis/metrics.k8s.io/v1beta1/pods", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var table metav1.Table
	if err := json.NewDecoder(response.Body).Decode(&table); err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	for _, row := range table.Rows {
		rows = append(rows, row.Cells)
	}
	if diff := cmp.Diff([][]any{{"web-1", "<unknown>", "2Mi", "3m0s"}, {"db-1", "500m", "2Mi", "3m0s"}}, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
