package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/lab"
)

// hpaController is the identity by which the HPA controller reads. Its built-in
// role covers the metrics APIs.
const hpaController = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"

// apiRate is the control plane's client limit. The default of 20 a second would
// take an hour to make ten thousand pods.
const apiRate = "--kube-api-qps=1000"
const apiBurst = "--kube-api-burst=2000"

// system is what is measured.
type system struct {
	lab        *lab.Lab
	exporter   *Exporter
	server     *http.Server
	prometheus *cluster.Prometheus
	reference  *reference // nil until access
}

// startSystem starts everything but the adapter.
func startSystem(ctx context.Context, root string, keep bool, log io.Writer) (*system, error) {
	s := &system{exporter: &Exporter{Now: time.Now}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.server = &http.Server{Handler: s.exporter, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // Close ends it
	if s.prometheus, err = cluster.StartPrometheus(ctx, cluster.PromOptions{ConfigYAML: prometheusConfig(l.Addr().String()), Log: log}); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.lab, err = lab.Start(ctx, lab.Options{
		Root: root, Keep: keep, Log: log, Kwok: true, PrometheusURL: s.prometheus.URL(), HPASyncPeriod: time.Hour,
		ExtraArgs: map[string][]string{"kube-controller-manager": {apiRate, apiBurst}},
	})
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *system) stop() error {
	var errs []error
	if s.reference != nil {
		errs = append(errs, s.reference.close())
	}
	if s.lab != nil {
		errs = append(errs, s.lab.Stop())
	}
	if s.prometheus != nil {
		errs = append(errs, s.prometheus.Close())
	}
	return errors.Join(append(errs, s.server.Close())...)
}

func prometheusConfig(target string) string {
	return fmt.Sprintf(`global: {scrape_interval: %s, scrape_timeout: 1900ms}
scrape_configs:
- job_name: fleet
  honor_labels: true
  static_configs: [{targets: [%q]}]
`, lab.ScrapeInterval, target)
}

// startAdapter starts the adapter with its own defaults, where the lab has set
// shorter ones for tests, and returns how long it took to be available.
func (s *system) startAdapter(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := s.lab.StartAdapter(ctx, "--evaluation-interval=10s", "--query-timeout=5s", "--max-wanted-per-namespace=2000", "--v=0")
	return time.Since(began), err
}

// access is where and how to ask.
type access struct {
	direct   *http.Client // as the HPA controller, to a replica
	via      *http.Client // as the HPA controller, to kube-apiserver
	apart    *http.Client // as the HPA controller, to the reference
	admin    *http.Client // as the administrator, to a replica
	replicas []string
	refers   *reference
	server   string
}

func (s *system) access(ctx context.Context) (*access, error) {
	a := &access{server: s.lab.Cluster.URL()}
	var err error
	if a.replicas, err = replicas(ctx, s.lab.Client); err != nil {
		return nil, err
	}
	ca, err := caBundle(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	reader, err := s.lab.Cluster.UserConfig(hpaController, "system:serviceaccounts", "system:serviceaccounts:kube-system")
	if err != nil {
		return nil, err
	}
	if a.via, err = client(reader); err != nil {
		return nil, err
	}
	if a.direct, err = client(toReplica(reader, ca)); err != nil {
		return nil, err
	}
	if s.reference, err = startReference(s.lab.Cluster.RESTConfig(), s.lab.Cluster.Kubeconfig(), s.prometheus.URL()); err != nil {
		return nil, fmt.Errorf("the reference: %w", err)
	}
	a.refers = s.reference
	if a.apart, err = s.reference.reader(reader); err != nil {
		return nil, err
	}
	a.admin, err = client(toReplica(s.lab.Cluster.RESTConfig(), ca))
	return a, err
}

// toReplica is config for a replica, by the name that its certificate has.
func toReplica(config *rest.Config, ca []byte) *rest.Config {
	config = rest.CopyConfig(config)
	config.TLSClientConfig = rest.TLSClientConfig{
		CAData: ca, CertData: config.CertData, KeyData: config.KeyData,
		ServerName: lab.AdapterDeployment + "." + lab.AdapterNamespace + ".svc",
	}
	return config
}

func replicas(ctx context.Context, client kubernetes.Interface) ([]string, error) {
	pods, err := client.CoreV1().Pods(lab.AdapterNamespace).List(ctx, metav1.ListOptions{LabelSelector: appLabel + "=" + lab.AdapterDeployment})
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, p := range pods.Items {
		if p.DeletionTimestamp == nil && p.Status.PodIP != "" {
			urls = append(urls, "https://"+net.JoinHostPort(p.Status.PodIP, "6443"))
		}
	}
	if len(urls) == 0 {
		return nil, errors.New("no replica of the adapter runs")
	}
	return urls, nil
}

// caBundle is the CA that the adapter published in its APIService.
func caBundle(ctx context.Context, l *lab.Lab) ([]byte, error) {
	data, err := l.Raw(ctx, "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io")
	if err != nil {
		return nil, err
	}
	var service struct {
		Spec struct {
			CABundle []byte `json:"caBundle"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &service); err != nil {
		return nil, err
	}
	if !strings.Contains(string(service.Spec.CABundle), "BEGIN CERTIFICATE") {
		return nil, errors.New("the APIService has no caBundle")
	}
	return service.Spec.CABundle, nil
}
