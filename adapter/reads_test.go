package adapter

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// echo answers with what it was asked, so that answers differ where the questions do.
type echo struct{}

var echoed = metav1.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

func (echo) value(namespace, name string, info cmprovider.CustomMetricInfo, n int, words ...string) custom_metrics.MetricValue {
	v := custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{Kind: info.GroupResource.String(), APIVersion: "v1", Namespace: namespace, Name: name, FieldPath: strings.Join(words, " and ")},
		Metric:          custom_metrics.MetricIdentifier{Name: info.Metric}, Timestamp: echoed, Value: *resource.NewMilliQuantity(int64(n)*1234-1234, resource.DecimalSI),
	}
	if info.Namespaced {
		window := int64(n)
		v.WindowSeconds = &window
		v.Metric.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"said": strings.Join(words, " and ")}}
	}
	return v
}

func (e echo) GetMetricByName(_ context.Context, name types.NamespacedName, info cmprovider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValue, error) {
	if err := refusal(info.Metric); err != nil {
		return nil, err
	}
	v := e.value(name.Namespace, name.Name, info, 1, selector.String())
	return &v, nil
}

// GetMetricBySelector has as many values as the metric's name has letters after the first;
// an answer to "long" is long enough to be compressed.
func (e echo) GetMetricBySelector(_ context.Context, namespace string, selector labels.Selector, info cmprovider.CustomMetricInfo, metricSelector labels.Selector) (*custom_metrics.MetricValueList, error) {
	if err := refusal(info.Metric); err != nil {
		return nil, err
	}
	n := len(info.Metric) - 1
	if info.Metric == "long" {
		n = 1000
	}
	list := &custom_metrics.MetricValueList{Items: []custom_metrics.MetricValue{}}
	for i := range n {
		list.Items = append(list.Items, e.value(namespace, fmt.Sprintf("%s-%d", info.GroupResource.Resource, i), info, i, selector.String(), metricSelector.String()))
	}
	return list, nil
}

func (echo) GetExternalMetric(_ context.Context, namespace string, selector labels.Selector, info cmprovider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	if err := refusal(info.Metric); err != nil {
		return nil, err
	}
	window := int64(60)
	return &external_metrics.ExternalMetricValueList{Items: []external_metrics.ExternalMetricValue{
		{MetricName: info.Metric, MetricLabels: map[string]string{"namespace": namespace, "said": selector.String()}, Timestamp: echoed, WindowSeconds: &window, Value: resource.MustParse("7")},
		{MetricName: info.Metric, Timestamp: echoed, Value: resource.MustParse("1500m")},
	}}, nil
}

func (echo) ListAllMetrics() []cmprovider.CustomMetricInfo           { return nil }
func (echo) ListAllExternalMetrics() []cmprovider.ExternalMetricInfo { return nil }

// refusal is the error that a metric of this name has.
func refusal(name string) error {
	switch name {
	case "absent":
		return apierrors.NewNotFound(custom_metrics.Resource("metrics"), "no sample")
	case "broken":
		return apierrors.NewServiceUnavailable("the source is away")
	}
	return nil
}

// pair are two servers of the same metrics: as it is shipped, and with the library's handlers
// alone.
type pair struct{ ours, library http.Handler }

func newPair(t testing.TB) pair {
	t.Helper()
	serve := func(custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) http.Handler {
		config := newTestConfig(nil, custom, external)
		config.RequestTimeout = time.Minute // a busy machine's time is not what is compared
		server := newTestServer(t, config, echo{}, echo{})
		t.Cleanup(server.Destroy)
		return server.Handler
	}
	return pair{serve(echo{}, echo{}), serve(nil, nil)}
}

// seen is all that a client sees.
type seen struct {
	Code   int
	Header http.Header
	Body   string
}

func look(t testing.TB, h http.Handler, method, uri string, header http.Header) seen {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	u, err := url.ParseRequestURI(uri)
	if err != nil {
		t.Skipf("no URI: %v", err)
	}
	r.URL, r.RequestURI = u, uri
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	w.Header().Del("Audit-Id") // another one for each request
	return seen{w.Code, w.Header(), w.Body.String()}
}

// counts is what is counted while act acts.
func counts(t testing.TB, act func()) map[string]float64 {
	t.Helper()
	before := counted(t)
	act()
	after := counted(t)
	for series, n := range before {
		if after[series] -= n; after[series] == 0 {
			delete(after, series)
		}
	}
	return after
}

// counted are what the API server's library counts of requests and of the age of what they
// were answered with.
func counted(t testing.TB) map[string]float64 {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			series := f.GetName() + fmt.Sprint(m.Label)
			switch f.GetName() {
			case "apiserver_request_total":
				sums[series] = m.Counter.GetValue()
			case "apiserver_response_sizes":
				sums[series] = m.Histogram.GetSampleSum()
			case "apiserver_request_duration_seconds", "metrics_apiserver_metric_freshness_seconds":
				sums[series] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return sums
}

const controllerAccepts = "application/vnd.kubernetes.protobuf,application/json"

func slashes(n int) string { return strings.Repeat("/", n) }

var (
	readPaths = []string{
		"custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests", "custom.metrics.k8s.io/v1beta1/namespaces/a/pods/*/requests",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/m", "custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/long",
		"custom.metrics.k8s.io/v1beta1/namespaces/a/deployments.apps/web/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/deployments.apps/web/requests",
		"custom.metrics.k8s.io/v1beta2/nodes/n1/requests", "custom.metrics.k8s.io/v1beta2/nodes/*/requests",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/absent", "custom.metrics.k8s.io/v1beta1/namespaces/a/pods/p/broken",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/namespaces/a/requests",
		"external.metrics.k8s.io/v1beta1/namespaces/a/depth", "external.metrics.k8s.io/v1beta1/namespaces/*/depth", "external.metrics.k8s.io/v1beta1/namespaces/a/absent",
	}
	oddPaths = []string{
		"custom.metrics.k8s.io/v1beta2/namespaces/a/metrics/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests/", "custom.metrics.k8s.io/v1beta2/namespaces/a//pods/*/requests",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/pods/%2A/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/pods/x%2Fy/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/requests/more",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*", "custom.metrics.k8s.io/v1beta2/namespaces/a/status", "custom.metrics.k8s.io/v1beta2/namespaces/*/metrics/requests",
		"custom.metrics.k8s.io/v1beta2/watch/namespaces/a/pods/*/requests", "custom.metrics.k8s.io/v1beta3/namespaces/a/pods/*/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/metrics/m/requests",
		"custom.metrics.k8s.io/v1beta2/namespaces//pods/*/requests", "custom.metrics.k8s.io/v1beta2/namespaces/a/metrics/x/y", "custom.metrics.k8s.io/v1beta2/metrics/x/y",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/status" + slashes(13), "custom.metrics.k8s.io/v1beta2/watch/namespaces/a/status" + slashes(7), slashes(13) + "apis/custom.metrics.k8s.io/v1beta2/namespaces/a/status",
		"custom.metrics.k8s.io/v1beta2/namespaces/a/finalize" + slashes(13), "custom.metrics.k8s.io/v1beta2/watch/namespaces/a/pods/*/requests", "custom.metrics.k8s.io/v1beta2/watch/namespaces/a/finalize" + slashes(7),
		"external.metrics.k8s.io/v1beta1/namespaces/a/metrics", "external.metrics.k8s.io/v1beta1/namespaces/a/depth/", "external.metrics.k8s.io/v1beta1/namespaces/a/depth/more", "external.metrics.k8s.io/v1beta1/depth",
		"external.metrics.k8s.io/v1beta1/namespaces/a", "external.metrics.k8s.io/v1beta1/namespaces/a/status", "external.metrics.k8s.io/v1beta2/namespaces/a/depth", "external.metrics.k8s.io/v1beta1/nodes/a/depth",
	}
	readQueries = []string{
		"", "labelSelector=app%3Dweb", "labelSelector=app%3Dweb,tier+in+(a,b),!c", "labelSelector=", "labelSelector=app%3Dweb&metricLabelSelector=code%3D%7E5", "metricLabelSelector=code!%3D5",
	}
	oddQueries = []string{
		"pretty=true", "pretty", "labelSelector=a+in+(", "metricLabelSelector=%3D", "labelSelector=a&labelSelector=b", "watch=true", "watch=1&labelSelector=a", "limit=1", "fieldSelector=metadata.name%3Dp",
		"resourceVersion=0", "labelSelector=%zz", "a=b", ";", "timeoutSeconds=1", "labelselector=a", "includeObject=None", "allowWatchBookmarks=true",
	}
	readAccepts = []string{controllerAccepts, "application/json", "", "*/*", "application/json, */*", "application/vnd.kubernetes.protobuf"}
	oddAccepts  = []string{
		"application/yaml", "text/html", "application/json;as=Table;g=meta.k8s.io;v=v1", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json",
		"application/*", "*", "* / *", "text/html, application/*", "application/json,", ",", "application/json ,*/*", "application / json",
		"application/json;stream=watch", "application/json;pretty=1", "application/cbor", ";;",
	}
	agents = []string{"", "curl/8.0"}
)

// readRequest is one that both servers get.
type readRequest struct {
	method, uri string
	header      http.Header
}

// pathOf is a path below /apis/, or one that begins otherwise.
func pathOf(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/apis/" + path
}

// requestsOf are the plain and the odd requests of a path.
func requestsOf(path string) []readRequest {
	uri := pathOf(path)
	requests := []readRequest{{http.MethodGet, uri, nil}}
	for _, query := range append(readQueries, oddQueries...) {
		requests = append(requests, readRequest{http.MethodGet, uri + "?" + query, http.Header{"Accept": {controllerAccepts}}})
	}
	for _, accept := range append(readAccepts, oddAccepts...) {
		for _, agent := range agents {
			requests = append(requests, readRequest{http.MethodGet, uri + "?labelSelector=a", http.Header{"Accept": {accept}, "User-Agent": {agent}, "Accept-Encoding": {"gzip"}}})
		}
	}
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		requests = append(requests, readRequest{method, uri, nil})
	}
	return requests
}

// What is answered directly is, to the byte and in what is counted of it, what the library
// answers, and so is whatever is odd.
func TestReadsAreWhatTheLibraryAnswers(t *testing.T) {
	servers := newPair(t)
	for _, path := range append(readPaths, oddPaths...) {
		requests := requestsOf(path)
		send := func(h http.Handler) (answers []seen) {
			for _, r := range requests {
				answers = append(answers, look(t, h, r.method, r.uri, r.header))
			}
			return answers
		}
		var ours, library []seen
		counted := counts(t, func() { ours = send(servers.ours) })
		if diff := cmp.Diff(counts(t, func() { library = send(servers.library) }), counted); diff != "" {
			t.Errorf("%s, what is counted (-library +ours):\n%s", path, diff)
		}
		for i, r := range requests {
			if diff := cmp.Diff(library[i], ours[i]); diff != "" {
				t.Errorf("%s %s %v (-library +ours):\n%s", r.method, r.uri, r.header, diff)
			}
		}
	}
}

// Of plain reads none reaches the library.
func TestPlainReadsAreAnsweredDirectly(t *testing.T) {
	library := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	config := newTestConfig(nil, echo{}, echo{}).Complete()
	h := config.BuildHandlerChainFunc(library, config.Config)
	for _, path := range readPaths {
		for _, query := range readQueries {
			for _, accept := range readAccepts {
				if strings.HasPrefix(path, "external") && strings.Contains(query, "metricLabelSelector") {
					continue
				}
				a := look(t, h, http.MethodGet, "/apis/"+path+"?"+query, http.Header{"Accept": {accept}})
				if a.Code == http.StatusTeapot {
					t.Errorf("%s?%s for %q was left to the library", path, query, accept)
				}
			}
		}
	}
}

// Answers are used again, and none has anything of another one.
func TestReadsAtTheSameTime(t *testing.T) {
	servers := newPair(t)
	header := http.Header{"Accept": {"application/json"}}
	want := map[string]seen{}
	for _, path := range readPaths {
		want[path] = look(t, servers.library, http.MethodGet, "/apis/"+path, header)
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 200 {
				path := readPaths[(i*7+worker)%len(readPaths)]
				if diff := cmp.Diff(want[path], look(t, servers.ours, http.MethodGet, "/apis/"+path, header)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What a provider is asked is what the request was authorized for.
func TestReadsAreOfWhatWasAuthorized(t *testing.T) {
	var may, asked []string
	config := newTestConfig(nil, noting{&asked}, noting{&asked})
	config.Authorization.Authorizer = authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		may = []string{a.GetVerb(), a.GetAPIGroup(), a.GetNamespace(), a.GetResource(), a.GetName(), a.GetSubresource()}
		return authorizer.DecisionAllow, "", nil
	})
	completed := config.Complete()
	h := completed.BuildHandlerChainFunc(http.NotFoundHandler(), completed.Config)
	answered := 0
	for _, path := range append(readPaths, oddPaths...) {
		may, asked = nil, nil
		look(t, h, http.MethodGet, pathOf(path), http.Header{"Accept": {controllerAccepts}})
		if asked == nil {
			continue
		}
		answered++
		if diff := cmp.Diff(may, asked); diff != "" {
			t.Errorf("%s (-authorized +asked):\n%s", path, diff)
		}
	}
	if answered < len(readPaths) {
		t.Errorf("%d of %d plain reads were answered", answered, len(readPaths))
	}
}

// noting notes what it is asked, in the words of authorization.
type noting struct{ asked *[]string }

func (n noting) GetMetricByName(_ context.Context, name types.NamespacedName, info cmprovider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValue, error) {
	*n.asked = []string{"get", custom_metrics.GroupName, name.Namespace, info.GroupResource.String(), name.Name, info.Metric}
	return &custom_metrics.MetricValue{}, nil
}

func (n noting) GetMetricBySelector(_ context.Context, namespace string, _ labels.Selector, info cmprovider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValueList, error) {
	*n.asked = []string{"get", custom_metrics.GroupName, namespace, info.GroupResource.String(), "*", info.Metric}
	return &custom_metrics.MetricValueList{}, nil
}

func (n noting) GetExternalMetric(_ context.Context, namespace string, _ labels.Selector, info cmprovider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	*n.asked = []string{"list", external_metrics.GroupName, namespace, info.Metric, "", ""}
	return &external_metrics.ExternalMetricValueList{}, nil
}

func (noting) ListAllMetrics() []cmprovider.CustomMetricInfo           { return nil }
func (noting) ListAllExternalMetrics() []cmprovider.ExternalMetricInfo { return nil }

func FuzzReadsAreWhatTheLibraryAnswers(f *testing.F) {
	for i, path := range append(readPaths, oddPaths...) {
		f.Add(pathOf(path), append(readQueries, oddQueries...)[i%len(readQueries)], readAccepts[i%len(readAccepts)])
	}
	servers := newPair(f)
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		uri := path + "?" + query
		header := http.Header{"Accept": {accept}}
		ours, library := look(t, servers.ours, http.MethodGet, uri, header), look(t, servers.library, http.MethodGet, uri, header)
		if diff := cmp.Diff(library, ours); diff != "" {
			t.Errorf("%s for %q (-library +ours):\n%s", uri, accept, diff)
		}
	})
}
