package provider_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

func info(gr schema.GroupResource, name string) cmprovider.CustomMetricInfo {
	return cmprovider.CustomMetricInfo{GroupResource: gr, Metric: name, Namespaced: true}
}

func parse(t *testing.T, selector string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// summary is an answer in short: "namespace/kind/name=milli" or the error.
func summary(items []custom_metrics.MetricValue, err error) []string {
	if err != nil {
		return []string{string(apierrors.ReasonForError(err)) + ": " + err.Error()}
	}
	out := []string{}
	for _, i := range items {
		o := i.DescribedObject
		out = append(out, o.Namespace+"/"+o.APIVersion+"."+o.Kind+"/"+o.Name+"="+i.Value.String())
	}
	return out
}

// noNamespace is the text for what is no name of a namespace.
const noNamespace = `the name of a namespace has up to 63 lower-case letters, digits and inner hyphens, unlike "No_Such"`

func TestBySelector(t *testing.T) {
	three := &store.Data{Evaluated: start, PromQL: "q", Objects: map[string]store.Value{
		"p1": value(1), "p2": value(0), "terminating": value(9), "p3": value(3),
	}}
	for name, tc := range map[string]struct {
		resource            schema.GroupResource
		namespace, selector string
		stored              metric.Identifier
		data                *store.Data
		want                []string
	}{
		"live pods that match, zero among them; terminating ones are not": {
			pods, "a", "app=web", podMetric("a", "app=web"), three, []string{"a/v1.Pod/p1=1", "a/v1.Pod/p2=0"},
		},
		"every pod": {pods, "a", "", podMetric("a", ""), three, []string{"a/v1.Pod/p1=1", "a/v1.Pod/p2=0", "a/v1.Pod/p3=3"}},
		"a pod without a sample is left out": {
			pods, "a", "app=web", podMetric("a", "app=web"),
			&store.Data{Evaluated: start, Objects: map[string]store.Value{"p2": value(5)}}, []string{"a/v1.Pod/p2=5"},
		},
		"no matching object": {pods, "a", "app=none", podMetric("a", "app=none"), &store.Data{Evaluated: start}, []string{}},
		"not one has a sample": {
			pods, "a", "app=web", podMetric("a", "app=web"), &store.Data{Evaluated: start, PromQL: "q"},
			[]string{"NotFound: no sample for any of 2 pods (absence is not zero); asked: q"},
		},
		"all of them are newer than the evaluation": {
			pods, "a", "app=web", podMetric("a", "app=web"), &store.Data{Evaluated: start},
			[]string{"NotFound: no sample yet for any of 2 pods: there was none of them at the last evaluation"},
		},
		"a bad value of a matching pod": {
			pods, "a", "app=web", podMetric("a", "app=web"),
			&store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}, Bad: map[string]error{"p2": metric.Errorf(metric.NotFinite, "the value is NaN")}},
			[]string{"InternalError: requests of pods p2: the value is NaN"},
		},
		"a bad value of another pod": {
			pods, "a", "app=web", podMetric("a", "app=web"),
			&store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}, Bad: map[string]error{"gone": metric.Errorf(metric.Duplicate, "several")}},
			[]string{"a/v1.Pod/p1=1"},
		},
		"a root-scoped kind, asked inside a namespace": {
			nodes, "a", "", metric.Identifier{API: metric.Custom, Metric: "requests", Resource: nodes},
			&store.Data{Evaluated: start, Objects: map[string]store.Value{"n1": value(2)}},
			[]string{"BadRequest: nodes do not live in namespaces: ask for nodes/* without one"},
		},
		"all Namespace objects, asked inside one": {
			spaces, "a", "", metric.Identifier{API: metric.Custom, Metric: "requests", Resource: spaces},
			&store.Data{Evaluated: start, Objects: map[string]store.Value{"b": value(2)}},
			[]string{"BadRequest: namespaces do not live in namespaces: ask for namespaces/*/metrics/METRIC"},
		},
		"the singular resource": {schema.GroupResource{Resource: "pod"}, "a", "", podMetric("a", ""), three, []string{"a/v1.Pod/p1=1", "a/v1.Pod/p2=0", "a/v1.Pod/p3=3"}},
		"a namespaced kind without a namespace": {
			pods, "", "", podMetric("", ""), three, []string{"BadRequest: pods live in namespaces: ask for namespaces/NAMESPACE/pods"},
		},
		"all namespaces at once": {
			pods, "*", "", podMetric("*", ""), three, []string{`BadRequest: no read is of all namespaces ("*"): ask for namespaces/NAMESPACE/pods`},
		},
		"a namespace that cannot exist": {
			pods, "No_Such", "", podMetric("No_Such", ""), three, []string{"BadRequest: " + noNamespace},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			f.store.Succeed(tc.stored, tc.data)
			list, err := f.custom.GetMetricBySelector(t.Context(), tc.namespace, parse(t, tc.selector), info(tc.resource, "requests"), everyName)
			var items []custom_metrics.MetricValue
			if list != nil {
				items = list.Items
			}
			if diff := cmp.Diff(tc.want, summary(items, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestByName(t *testing.T) {
	one := func(gr schema.GroupResource, namespace, name string) metric.Identifier {
		return metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: namespace, Resource: gr, Name: name}
	}
	for name, tc := range map[string]struct {
		resource        schema.GroupResource
		namespace, name string
		stored          metric.Identifier
		want            string
	}{
		"a pod":                         {pods, "a", "p1", one(pods, "a", "p1"), "a/v1.Pod/p1=4"},
		"a deployment":                  {deploys, "a", "web", one(deploys, "a", "web"), "a/apps/v1.Deployment/web=4"},
		"a root-scoped one":             {nodes, "", "n1", one(nodes, "", "n1"), "/v1.Node/n1=4"},
		"asked as the HPA client does":  {nodes, "a", "n1", one(nodes, "", "n1"), "/v1.Node/n1=4"},
		"a Namespace object":            {spaces, "", "a", one(spaces, "", "a"), "/v1.Namespace/a=4"},
		"its own Namespace object":      {spaces, "a", "a", one(spaces, "", "a"), "/v1.Namespace/a=4"},
		"another tenant's Namespace":    {spaces, "a", "b", one(spaces, "", "b"), `BadRequest: namespace "b" cannot be asked for inside namespace "a": ask for namespaces/b/metrics/METRIC`},
		"a pod of any namespace":        {pods, "*", "p1", one(pods, "*", "p1"), `BadRequest: no read is of all namespaces ("*"): ask for namespaces/NAMESPACE/pods`},
		"a root-scoped one, of any":     {nodes, "*", "n1", one(nodes, "", "n1"), `BadRequest: no read is of all namespaces ("*"): ask for nodes/n1`},
		"in what cannot exist":          {pods, "No_Such", "p1", one(pods, "No_Such", "p1"), "BadRequest: " + noNamespace},
		"root-scoped, the same":         {nodes, "No_Such", "n1", one(nodes, "", "n1"), "BadRequest: " + noNamespace},
		"a name that cannot exist":      {pods, "a", "No_Such", one(pods, "a", "No_Such"), `NotFound: there is no live pods "No_Such"`},
		"a Namespace that cannot exist": {spaces, "", "No_Such", one(spaces, "", "No_Such"), `NotFound: there is no live namespaces "No_Such"`},
		"a pod that is not live":        {pods, "a", "gone", one(pods, "a", "gone"), `NotFound: there is no live pods "gone"`},
		"the pod of another namespace":  {pods, "b", "p2", one(pods, "b", "p2"), `NotFound: there is no live pods "p2"`},
		"a kind that the cluster lacks": {schema.GroupResource{Resource: "gizmos"}, "a", "x", one(pods, "a", "x"), `NotFound: the API server knows no resource "gizmos": no matches for /, Resource=gizmos`},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			f.store.Succeed(tc.stored, &store.Data{Evaluated: start, PromQL: "q", Objects: map[string]store.Value{tc.stored.Name: value(4)}})
			got, err := f.custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: tc.namespace, Name: tc.name}, info(tc.resource, "requests"), everyName)
			var items []custom_metrics.MetricValue
			if got != nil {
				items = append(items, *got)
			}
			if diff := cmp.Diff([]string{tc.want}, summary(items, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What one tenant asks of root-scoped objects takes no other's place.
func TestRootScopedDemandCountsForTheRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		resource        schema.GroupResource
		namespace, name string
	}{
		"its own Namespace object":        {spaces, "", "a"},
		"the same, within the namespace":  {spaces, "a", "a"},
		"a node, as the HPA client asks":  {nodes, "a", "n1"},
		"a pod, whose namespace is meant": {pods, "a", "p1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			ask := func(namespace, value string) error {
				_, err := f.custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: namespace, Name: tc.name}, info(tc.resource, "requests"), parse(t, "x!="+value))
				return err
			}
			for _, value := range []string{"1", "2", "3", "4", "5"} {
				if err := ask(tc.namespace, value); !apierrors.IsServiceUnavailable(err) { // nothing evaluates it
					t.Fatal(err)
				}
			}
			if err := ask(tc.namespace, "6"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `namespace "a"`) {
				t.Errorf("beyond the limit of the namespace: %v", err)
			}
			for _, namespace := range []string{"", "b"} {
				if err := f.demand.ReadThrough(metric.Identifier{API: metric.Custom, Metric: "requests", Resource: nodes, Name: "other" + namespace}, namespace, start); err != nil {
					t.Errorf("no room is left in %q: %v", namespace, err)
				}
			}
		})
	}
}

func TestByNameAbsent(t *testing.T) {
	f := setup(t)
	id := metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: "a", Resource: pods, Name: "p1"}
	f.store.Succeed(id, &store.Data{Evaluated: start, PromQL: "q"})
	_, err := f.custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "a", Name: "p1"}, info(pods, "requests"), everyName)
	if !apierrors.IsNotFound(err) {
		t.Errorf("absence gave %v", err)
	}
}

func TestItemIsComplete(t *testing.T) {
	f := setup(t)
	selector := parse(t, "zone notin (x,y),code!=500,method=GET,trace")
	id := podMetric("a", "app=db")
	id.MetricSelector = selector.String()
	f.store.Succeed(id, &store.Data{Evaluated: start, Window: 2 * time.Minute, Objects: map[string]store.Value{"p3": value(3)}})
	list, err := f.custom.GetMetricBySelector(t.Context(), "a", parse(t, "app=db"), info(pods, "requests"), selector)
	if err != nil {
		t.Fatal(err)
	}
	window := int64(120)
	want := []custom_metrics.MetricValue{{
		DescribedObject: custom_metrics.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: "a", Name: "p3"},
		Metric: custom_metrics.MetricIdentifier{Name: "requests", Selector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"method": "GET"},
			MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "code", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"500"}},
				{Key: "trace", Operator: metav1.LabelSelectorOpExists, Values: []string{}},
				{Key: "zone", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"x", "y"}},
			},
		}},
		Timestamp: metav1.Time{Time: start.Add(-time.Second)}, WindowSeconds: &window, Value: value(3).Quantity,
	}}
	if diff := cmp.Diff(want, list.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The repeated selector must mean what was asked.
	back, err := metav1.LabelSelectorAsSelector(list.Items[0].Metric.Selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []labels.Set{
		{"method": "GET", "trace": "1"}, {"method": "GET", "trace": "1", "code": "500"}, {"method": "POST", "trace": "1"},
		{"method": "GET"}, {"method": "GET", "trace": "1", "zone": "y"}, {"method": "GET", "trace": "1", "zone": "z"},
	} {
		if back.Matches(set) != selector.Matches(set) {
			t.Errorf("%v: the repeated selector %s means something else", set, back)
		}
	}
}

func TestSelectorThatQueriesCannotExpress(t *testing.T) {
	f := setup(t)
	id := podMetric("a", "")
	id.MetricSelector = "code>400"
	f.store.Succeed(id, &store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}})
	_, err := f.custom.GetMetricBySelector(t.Context(), "a", everyName, info(pods, "requests"), parse(t, "code>400"))
	if !apierrors.IsBadRequest(err) {
		t.Errorf("err %v", err)
	}
}

func TestStatusByReason(t *testing.T) {
	for reason, want := range map[metric.Reason]int32{
		metric.Undefined: 404, metric.NoObject: 404, metric.Absent: 404,
		metric.Invalid:      400,
		metric.LimitReached: 403,
		metric.SourceFailed: 503, metric.Stale: 503, metric.Pending: 503, metric.ObjectsUnknown: 503,
		metric.NotFinite: 500, metric.Overflow: 500, metric.Duplicate: 500, metric.Unlabelled: 500, metric.RuleFailed: 500, metric.Forbidden: 500,
	} {
		t.Run(string(reason), func(t *testing.T) {
			f := setup(t)
			f.objects.err = metric.Errorf(reason, "%s", strings.Repeat("ä", 2000))
			_, err := f.custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "a", Name: "p1"}, info(pods, "requests"), everyName)
			var status apierrors.APIStatus
			if !errors.As(err, &status) {
				t.Fatalf("%T is no status", err)
			}
			s := status.Status()
			if s.Code != want || s.Status != metav1.StatusFailure || s.Reason == "" {
				t.Errorf("got %+v, want code %d", s, want)
			}
			if s.Details != nil && s.Details.RetryAfterSeconds != 0 || s.Code == http.StatusTooManyRequests {
				t.Error("client-go would try again and hold a worker of the HPA controller")
			}
			if len(s.Message) > 1100 || strings.ToValidUTF8(s.Message, "?") != s.Message {
				t.Errorf("message of %d bytes: %q", len(s.Message), s.Message)
			}
		})
	}
}

// A kind whose list hangs must not make an answer late, however it is asked.
func TestWaitsForObjectsAreBounded(t *testing.T) {
	f := setup(t)
	f.objects.hang = true
	f.store.Succeed(podMetric("a", ""), &store.Data{Evaluated: start})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := f.custom.GetMetricByName(ctx, types.NamespacedName{Namespace: "a", Name: "p1"}, info(pods, "requests"), everyName)
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("by name: %v", err)
	}
	_, err = f.custom.GetMetricBySelector(ctx, "a", everyName, info(pods, "requests"), everyName)
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("by selector: %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the read waited for as long as its caller")
	}
}

func TestReadsAreCounted(t *testing.T) {
	f := setup(t)
	f.store.Succeed(podMetric("a", ""), &store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}})
	ask := func(namespace, name string) {
		_, _ = f.custom.GetMetricBySelector(t.Context(), namespace, everyName, info(pods, name), everyName)
	}
	ask("a", "requests")
	ask("a", "made-up-1")
	ask("a", "made-up-2")
	_, _ = f.external.GetExternalMetric(t.Context(), "a", everyName, cmprovider.ExternalMetricInfo{Metric: "made-up-3"})
	f.store.Fail(queue(), start, errors.New("not ours"))
	_, _ = f.external.GetExternalMetric(t.Context(), "a", everyName, cmprovider.ExternalMetricInfo{Metric: "depth"})
	err := testutil.GatherAndCompare(f.registry, strings.NewReader(`
# HELP loadline_reads_total Reads by API, metric and outcome (ok, or why there was no value). Queries of policies count as one metric, and metrics that no rule gives as metric="".
# TYPE loadline_reads_total counter
loadline_reads_total{api="custom",metric="",outcome="undefined"} 2
loadline_reads_total{api="custom",metric="requests",outcome="ok"} 1
loadline_reads_total{api="external",metric="",outcome="undefined"} 1
loadline_reads_total{api="external",metric="depth",outcome="internal"} 1
`), "loadline_reads_total")
	if err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(f.registry, "loadline_read_duration_seconds"); err != nil || n != 2 {
		t.Errorf("%d histograms, %v", n, err)
	}
}

func TestListAllMetrics(t *testing.T) {
	want := []cmprovider.CustomMetricInfo{
		{GroupResource: deploys, Metric: "requests", Namespaced: true},
		{GroupResource: spaces, Metric: "requests"},
		{GroupResource: nodes, Metric: "requests"},
		{GroupResource: pods, Metric: "requests", Namespaced: true},
	}
	if diff := cmp.Diff(want, setup(t).custom.ListAllMetrics()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
