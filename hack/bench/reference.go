package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	cmoptions "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd/options"
	openapicustom "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source/prometheus"
)

// reference answers each read by itself: a list of the pods as whole objects and a query
// about them by name, as prometheus-adapter does, without its limit of five lists a second.
// It is the same server library, with the same delegated authentication and authorization,
// on the same machine, so that a ratio to it can be measured without it.
type reference struct {
	client  kubernetes.Interface
	source  *prometheus.Source
	queries atomic.Int64
	url     string
	ca      []byte
	stop    context.CancelFunc
	done    chan error
}

// startReference serves until close.
func startReference(config *rest.Config, kubeconfig, prometheusURL string) (*reference, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, 0 // no limit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	source, err := prometheus.New(prometheus.Config{URL: prometheusURL, Method: http.MethodGet})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &reference{client: client, source: source, url: "https://" + listener.Addr().String(), done: make(chan error, 1)}
	server, err := r.server(listener, config, kubeconfig)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- server.PrepareRun().RunWithContext(ctx) }()
	return r, nil
}

func (r *reference) server(listener net.Listener, config *rest.Config, kubeconfig string) (*genericapiserver.GenericAPIServer, error) {
	o := cmoptions.NewCustomMetricsAdapterServerOptions()
	o.EnableMetrics = false
	o.SecureServing.Listener, o.SecureServing.BindPort = listener, listener.Addr().(*net.TCPAddr).Port
	o.SecureServing.ServerCert.CertDirectory = ""
	o.Authentication.RemoteKubeConfigFile, o.Authorization.RemoteKubeConfigFile = kubeconfig, kubeconfig
	o.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapicustom.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(cmapiserver.Scheme))
	o.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapicustom.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(cmapiserver.Scheme))
	generic := genericapiserver.NewRecommendedConfig(cmapiserver.Codecs)
	generic.ClientConfig = config
	generic.SkipOpenAPIInstallation = true
	if err := o.ApplyTo(generic); err != nil {
		return nil, err
	}
	r.ca, _ = generic.SecureServing.Cert.CurrentCertKeyContent()
	server, err := (&cmapiserver.Config{GenericConfig: &generic.Config}).Complete(nil).New("reference", r, nil)
	if err != nil {
		return nil, err
	}
	return server.GenericAPIServer, nil
}

// reader is an HTTP client of it with the identity of config.
func (r *reference) reader(config *rest.Config) (*http.Client, error) {
	config = rest.CopyConfig(config)
	config.TLSClientConfig = rest.TLSClientConfig{CAData: r.ca, CertData: config.CertData, KeyData: config.KeyData, ServerName: "localhost"}
	return client(config)
}

func (r *reference) close() error {
	r.stop()
	r.source.CloseIdleConnections()
	return <-r.done
}

// GetMetricBySelector implements provider.CustomMetricsProvider.
func (r *reference) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector, info cmprovider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValueList, error) {
	pods, err := r.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pods.Items {
		if p.Status.Phase == corev1.PodRunning {
			names = append(names, p.Name)
		}
	}
	r.queries.Add(1)
	answer, err := r.source.Query(ctx, fmt.Sprintf(`sum(rate(%s{namespace="%s",pod=~"%s"}[1m])) by (pod)`, counterName, namespace, strings.Join(names, "|")))
	if err != nil {
		return nil, err
	}
	list := &custom_metrics.MetricValueList{Items: []custom_metrics.MetricValue{}}
	for _, s := range answer.Samples {
		q, err := metric.Quantity(s.Value)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, custom_metrics.MetricValue{
			DescribedObject: custom_metrics.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: namespace, Name: s.Labels.Get("pod")},
			Metric:          custom_metrics.MetricIdentifier{Name: info.Metric}, Timestamp: metav1.Time{Time: s.Time}, Value: q,
		})
	}
	return list, nil
}

// GetMetricByName implements provider.CustomMetricsProvider; nobody asks.
func (r *reference) GetMetricByName(context.Context, types.NamespacedName, cmprovider.CustomMetricInfo, labels.Selector) (*custom_metrics.MetricValue, error) {
	return nil, fmt.Errorf("the reference answers about selectors only")
}

// ListAllMetrics implements provider.CustomMetricsProvider.
func (r *reference) ListAllMetrics() []cmprovider.CustomMetricInfo {
	return []cmprovider.CustomMetricInfo{{GroupResource: corev1.Resource("pods"), Namespaced: true, Metric: metricName}}
}
