//go:build e2e

package policy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/cert"
	customv1beta2 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
)

// unmetered is the label of pods that have no metric.
const unmetered = "unmetered"

// metricAPI stands in for an adapter, where a test is about what becomes of a policy
// and not of its metric: external.metrics.k8s.io with one value for all metrics of a
// namespace, which can go missing.
type metricAPI struct {
	mu      sync.Mutex
	sources map[string]*source // by namespace
}

// source is what the metrics of a namespace are. Its zero value answers 0.
type source struct {
	value  atomic.Int64
	away   atomic.Bool
	shared atomic.Bool // the value is that of all pods together

	mu       sync.Mutex
	turns    []int64        // values that each metric takes in turns, in the place of value
	measured func() int64   // the value at each read, in the place of value
	reads    map[string]int // of a metric, so far
}

// of returns the source of a namespace.
func (m *metricAPI) of(namespace string) *source {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sources == nil {
		m.sources = map[string]*source{}
	}
	if m.sources[namespace] == nil {
		m.sources[namespace] = &source{reads: map[string]int{}}
	}
	return m.sources[namespace]
}

// alternate has each metric take these values in turns, one a read.
func (s *source) alternate(values ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns = values
}

// measure has a metric be what is found at each read of it.
func (s *source) measure(by func() int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measured = by
}

// read is the metric's value for one more read of it.
func (s *source) read(metric string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.reads[metric]
	s.reads[metric]++
	if s.measured != nil {
		return s.measured()
	}
	if len(s.turns) == 0 {
		return s.value.Load()
	}
	return s.turns[n%len(s.turns)]
}

// metricAddress is local, and beyond the addresses that the node gives to pods.
const metricAddress = "10.244.200.1"

const metricService = "metrics-of-a-test"

// startMetricAPI serves one for the test's time, in the place of what was there.
func startMetricAPI(t *testing.T) *metricAPI {
	t.Helper()
	m := &metricAPI{}
	certificate, key, err := cert.GenerateSelfSignedCertKey(metricAddress, []net.IP{net.ParseIP(metricAddress)}, nil)
	must(t, err)
	pair, err := tls.X509KeyPair(certificate, key)
	must(t, err)
	listener, err := tls.Listen("tcp", net.JoinHostPort(metricAddress, "0"), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	must(t, err)
	server := &http.Server{Handler: m, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })

	port := int32(listener.Addr().(*net.TCPAddr).Port)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: lab.AdapterNamespace, Name: metricService},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: lab.AdapterNamespace, Name: metricService, Labels: map[string]string{discoveryv1.LabelServiceName: metricService}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{metricAddress}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}},
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: ptr.To(port), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}
	replaced(t, apiService(metricService, "external.metrics.k8s.io", "v1beta1"))
	replaced(t, apiService(metricService, "custom.metrics.k8s.io", "v1beta2"))
	for _, o := range []client.Object{service, slice} {
		must(t, kube.Create(t.Context(), o))
		t.Cleanup(func() { must(t, kube.Delete(context.Background(), o)) })
	}
	system.Until(t, "the API of external metrics", 30*time.Second, func(ctx context.Context) (bool, string) {
		if _, err := system.Raw(ctx, "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/load"); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	return m
}

// apiService has a Service of the adapter's namespace serve an API.
func apiService(service, group, version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": version + "." + group},
		"spec": map[string]any{
			"group": group, "version": version, "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": lab.AdapterNamespace, "name": service, "port": int64(443)},
		},
	}}
}

// replaced stores an object in the place of the one of its name, which comes back
// after the test.
func replaced(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	before := o.DeepCopy()
	err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), before)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	was := err == nil
	if was {
		must(t, kube.Delete(t.Context(), before))
	}
	must(t, kube.Create(t.Context(), o))
	t.Cleanup(func() {
		must(t, kube.Delete(context.Background(), o))
		if was {
			before.SetResourceVersion("")
			before.SetUID("")
			must(t, kube.Create(context.Background(), before))
		}
	})
}

// ServeHTTP answers as external.metrics.k8s.io does, and custom.metrics.k8s.io.
func (m *metricAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if rest, ours := strings.CutPrefix(r.URL.Path, "/apis/custom.metrics.k8s.io/v1beta2"); ours {
		_ = json.NewEncoder(w).Encode(m.custom(r.Context(), strings.Split(rest, "/"), r.URL.Query().Get("labelSelector")))
		return
	}
	const root = "/apis/external.metrics.k8s.io/v1beta1"
	rest, ours := strings.CutPrefix(r.URL.Path, root)
	var namespace, metric string
	if parts := strings.Split(rest, "/"); len(parts) == 4 && parts[1] == "namespaces" {
		namespace, metric = parts[2], parts[3]
	}
	var answer any
	switch {
	case ours && strings.Trim(rest, "/") == "":
		answer = metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "external.metrics.k8s.io/v1beta1"}
	case metric == "":
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]any{}
	case m.of(namespace).away.Load():
		status := apierrors.NewInternalError(fmt.Errorf("the source is away")).Status()
		w.WriteHeader(int(status.Code))
		answer = status
	default:
		answer = v1beta1.ExternalMetricValueList{
			TypeMeta: metav1.TypeMeta{Kind: "ExternalMetricValueList", APIVersion: v1beta1.SchemeGroupVersion.String()},
			Items: []v1beta1.ExternalMetricValue{{
				MetricName: metric, MetricLabels: map[string]string{}, Timestamp: metav1.Now(),
				Value: *resource.NewQuantity(m.of(namespace).read(metric), resource.DecimalSI),
			}},
		}
	}
	// An API server that has gone is not the test's business.
	_ = json.NewEncoder(w).Encode(answer)
}

// custom is the answer about the metric of a namespace's pods: the same value for each that
// is ready and not labelled unmetered.
func (m *metricAPI) custom(ctx context.Context, path []string, selector string) any {
	if len(path) != 6 || path[1] != "namespaces" || path[3] != "pods" || path[4] != "*" {
		return metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: customv1beta2.SchemeGroupVersion.String()}
	}
	list := customv1beta2.MetricValueList{TypeMeta: metav1.TypeMeta{Kind: "MetricValueList", APIVersion: customv1beta2.SchemeGroupVersion.String()}, Items: []customv1beta2.MetricValue{}}
	var pods corev1.PodList
	chosen, err := labels.Parse(selector)
	if err != nil || kube.List(ctx, &pods, client.InNamespace(path[2]), client.MatchingLabelsSelector{Selector: chosen}) != nil {
		return list
	}
	pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.Labels[unmetered] != "" || p.DeletionTimestamp != nil })
	value := resource.NewQuantity(m.of(path[2]).value.Load(), resource.DecimalSI)
	if m.of(path[2]).shared.Load() {
		pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !podReady(&p) })
		value = resource.NewMilliQuantity(value.MilliValue()/max(1, int64(len(pods.Items))), resource.DecimalSI)
	}
	for _, p := range pods.Items {
		list.Items = append(list.Items, customv1beta2.MetricValue{
			DescribedObject: corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: p.Namespace, Name: p.Name},
			Metric:          customv1beta2.MetricIdentifier{Name: path[5]}, Timestamp: metav1.Now(),
			Value: *value,
		})
	}
	return list
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
