//go:build e2e

package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/query"
)

// exporter is a Deployment whose pods Prometheus scrapes.
const exporter = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: NAME}}
  template:
    metadata:
      labels: {app: NAME}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9090", prometheus.io/path: /metrics}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: exporter
        image: remindmeweb:v1
        ports:
        - {name: metrics, containerPort: 9090}
        env:
        - {name: API_URL, value: "http://127.0.0.1:1"}
        - name: LISTEN_HOST
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        readinessProbe:
          httpGet: {path: /readyz, port: metrics}
          periodSeconds: 1
`

// export starts an exporter's pods.
func export(t *testing.T, namespace, name string, replicas int) {
	t.Helper()
	text := strings.NewReplacer("NAMESPACE", namespace, "NAME", name, "REPLICAS", fmt.Sprint(replicas)).Replace(exporter)
	objects, err := lab.Decode([]byte(text))
	must(t, err)
	must(t, system.Apply(t.Context(), objects))
	must(t, system.Available(t.Context(), namespace, name, time.Minute))
}

// read asks for an external metric as the HPA controller does, with its client. It
// returns the values in thousandths.
func read(_ context.Context, namespace, metric string) ([]int64, error) {
	config := system.Cluster.RESTConfig()
	config.Timeout = 5 * time.Second // the client takes no context
	c, err := externalclient.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	list, err := c.NamespacedMetrics(namespace).List(metric, labels.Everything())
	if err != nil {
		return nil, err
	}
	var values []int64
	for _, item := range list.Items {
		values = append(values, item.Value.MilliValue())
	}
	return values, nil
}

// attempts are ways to read more than one's own namespace, in which one pod is
// scraped, while in OTHER there are three, theirs. Each gives a value that only OWN
// explains, or is refused with these words.
func attempts() map[string]struct {
	expr    string
	value   int64
	refused string
} {
	type attempt = struct {
		expr    string
		value   int64
		refused string
	}
	return map[string]attempt{
		"nothing said":        {`count(up)`, 1, ""},
		"own":                 {`count(up{namespace="OWN"})`, 1, ""},
		"any":                 {`count(up{namespace=~".*"})`, 1, ""},
		"both":                {`count(up{namespace=~"OWN|OTHER"})`, 1, ""},
		"name as a matcher":   {`count({__name__="up"})`, 1, ""},
		"name as a pattern":   {`count({__name__=~"up"})`, 1, ""},
		"quoted name":         {`count({"up"})`, 1, ""},
		"or":                  {`count(up or up{namespace=~".+"})`, 1, ""},
		"their pods":          {`count(up{pod=~"theirs.*"}) or vector(7)`, 7, ""},
		"their pods, and":     {`count(up and on() up{pod=~"theirs.*"}) or vector(7)`, 7, ""},
		"their absence":       {`absent(up{pod=~"theirs.*"})`, 1, ""},
		"by namespace":        {`count by (namespace) (up)`, 1, ""},
		"without":             {`count without (instance, job, pod, node, deployment) (up)`, 1, ""},
		"right side":          {`count(up{pod=~"mine.*"}) * count(up)`, 1, ""},
		"scalar":              {`scalar(count(up))`, 1, ""},
		"argument":            {`clamp_max(vector(100), scalar(count(up)))`, 1, ""},
		"parameter":           {`count(topk(scalar(count(up)), {__name__=~"go_goroutines|go_threads|process_open_fds|process_max_fds"}))`, 1, ""},
		"parameter, deep":     {`count(bottomk(scalar(count(topk(scalar(count(up)), up))), {__name__=~"go_goroutines|go_threads|process_open_fds"}))`, 1, ""},
		"group_left":          {`count(up * on(job) group_left() (count by (job) (up)))`, 1, ""},
		"range":               {`count(max_over_time(up[30s]))`, 1, ""},
		"rate":                {`count(rate(process_cpu_seconds_total[30s]))`, 1, ""},
		"subquery":            {`max_over_time(count(up)[6s:2s])`, 1, ""},
		"offset":              {`count(up offset 2s)`, 1, ""},
		"count_values":        {`sum(count_values("namespace", up))`, 1, ""},
		"label_replace":       {`count(label_replace(up, "namespace", "OTHER", "", ""))`, 1, ""},
		"comment":             {"count(up) # {namespace=\"OTHER\"}", 1, ""},
		"quote in a value":    {`count(up{pod!="\"} or up{namespace=\"OTHER\"}"})`, 1, ""},
		"other":               {`count(up{namespace="OTHER"})`, 0, `excludes all that this query may read, which is namespace="OWN"`},
		"not the own":         {`count(up{namespace!="OWN"})`, 0, "excludes all"},
		"none":                {`count(up{namespace=""})`, 0, "excludes all"},
		"two":                 {`count(up{namespace="OWN",namespace="OTHER"})`, 0, "excludes all"},
		"absence in other":    {`absent(up{namespace="OTHER"})`, 0, "excludes all"},
		"info":                {`count(info(up))`, 0, `"info" is not enabled`},
		"limitk":              {`count(limitk(10, up))`, 0, "limitk() is experimental"},
		"fixed time":          {`count(up @ end())`, 0, "is at a fixed time"},
		"future":              {`count(up offset -1m)`, 0, "looks into the future"},
		"tenant":              {`count(up{__tenant_id__="1"})`, 0, "is the source's own"},
		"or in braces":        {`count({namespace="OWN" or namespace="OTHER"})`, 0, "cannot be read"},
		"second query":        {"count(up)\ncount(up)", 0, "cannot be read"},
		"parameter of a URL":  {`count(up)&query=count(up)`, 0, "cannot be read"},
		"every series, empty": {`count({namespace=~".*"})`, 0, "cannot be read"},
		"long range":          {`count(rate(process_cpu_seconds_total[2h]))`, 0, "of more than 1h0m0s"},
		"no step":             {`max_over_time(count(up)[6s:])`, 0, "has no step"},
		"many steps":          {`max_over_time(count(up)[1h:1s])`, 0, "3601 steps"},
		"no selector":         {`vector(1)`, 0, "selects no series"},
		"range as a result":   {`up[1m]`, 0, "many values"},
		"many series":         {`{__name__=~"go_goroutines|go_threads"}`, 0, "gives more than one series"},
	}
}

// TestP4Query: queries of policies are served by the real adapter from a real
// Prometheus, each in its own namespace and of it alone.
func TestP4Query(t *testing.T) {
	must(t, system.StartPrometheus(t.Context()))
	must(t, system.StartAdapter(t.Context(), "--queries-per-namespace=100"))
	own, other := namespace(t), namespace(t)
	export(t, own, "mine", 1)
	export(t, other, "theirs", 3)

	// What is confined could be seen: the other namespace sees its own three.
	create(t, queries(other, "theirs", "count(up)"))
	system.Until(t, "three pods are seen where they are", 30*time.Second, func(ctx context.Context) (bool, string) {
		got, err := read(ctx, other, query.MetricName("theirs", "q0"))
		return slices.Equal(got, []int64{3000}), fmt.Sprint(got, err)
	})

	all := attempts()
	names := slices.Sorted(maps.Keys(all))
	metrics := map[string]string{}
	for chunk := range slices.Chunk(names, 10) {
		var exprs []string
		policy := fmt.Sprintf("escape%d", len(metrics))
		for i, name := range chunk {
			exprs = append(exprs, strings.NewReplacer("OWN", own, "OTHER", other).Replace(all[name].expr))
			metrics[name] = query.MetricName(policy, fmt.Sprint("q", i))
		}
		create(t, queries(own, policy, exprs...))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			test := all[name]
			system.Until(t, "an answer", 20*time.Second, func(ctx context.Context) (bool, string) {
				got, err := read(ctx, own, metrics[name])
				state := fmt.Sprint(got, " ", err)
				if test.refused == "" {
					return slices.Equal(got, []int64{test.value * 1000}), state
				}
				return err != nil && strings.Contains(err.Error(), strings.ReplaceAll(test.refused, "OWN", own)), state
			})
			if _, err := read(t.Context(), other, metrics[name]); !apierrors.IsNotFound(err) {
				t.Errorf("read through another namespace: %v", err)
			}
		})
	}
}

// TestP4QueryScales: an HPA follows a policy's query; one that is changed is answered
// with its new value, and one that is deleted not at all.
func TestP4QueryScales(t *testing.T) {
	must(t, system.StartPrometheus(t.Context()))
	must(t, system.StartAdapter(t.Context(), "--queries-per-namespace=100"))
	ns := namespace(t)
	export(t, ns, "mine", 1)
	metric := query.MetricName("mine", "q0")
	p := create(t, queries(ns, "mine", "count(up) * 0 + 2"))
	system.Until(t, "the HPA makes two of one", time.Minute, func(ctx context.Context) (bool, string) {
		var d appsv1.Deployment
		err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: "mine"}, &d)
		h, _ := getHPA(ctx, ns, "mine")
		return err == nil && *d.Spec.Replicas == 2, fmt.Sprint(d.Spec.Replicas, err, h.Status.Conditions)
	})

	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Objectives[0].Query.Expr = "count(up) * 0 + 3" })
	system.Until(t, "the value of the new expression", 20*time.Second, func(ctx context.Context) (bool, string) {
		got, err := read(ctx, ns, metric)
		return slices.Equal(got, []int64{3000}), fmt.Sprint(got, err)
	})

	must(t, kube.Delete(t.Context(), p))
	system.Until(t, "no such metric", 10*time.Second, func(ctx context.Context) (bool, string) {
		got, err := read(ctx, ns, metric)
		return apierrors.IsNotFound(err), fmt.Sprint(got, err)
	})
}

// queries is a policy with these expressions, q0 and so on.
func queries(namespace, name string, exprs ...string) *v1alpha1.AutoscalingPolicy {
	return newPolicy(namespace, name, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas = v1alpha1.Replicas{Min: 1, Max: 3}
		p.Spec.Objectives = nil
		for i, expr := range exprs {
			one := resource.MustParse("1")
			p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{Query: &v1alpha1.Query{Name: fmt.Sprint("q", i), Expr: expr, PerPod: &one}})
		}
	})
}
