//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/lab"
)

// monitor is what of a ServiceMonitor decides how Prometheus scrapes.
type monitor struct {
	Metadata metav1.ObjectMeta
	Spec     struct {
		Selector  metav1.LabelSelector
		Endpoints []struct {
			Port, Scheme, Path, BearerTokenFile string
			TLSConfig                           struct {
				ServerName string
				CA         struct{ Secret corev1.SecretKeySelector }
			}
		}
	}
}

// serviceMonitorDefinition is the operator's own, so that the API server checks
// our manifest as it would where the operator runs.
func serviceMonitorDefinition(t *testing.T) string {
	t.Helper()
	tools, err := build.Locate()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(tools.File("prometheus-operator", "example/prometheus-operator-crd"), "monitoring.coreos.com_servicemonitors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// applyMonitor applies what the component scrape-servicemonitor adds and changes,
// for the test's time, and returns its ServiceMonitor as the API server has it.
func applyMonitor(t *testing.T) monitor {
	t.Helper()
	ctx := t.Context()
	definition := decode(t, serviceMonitorDefinition(t))
	objects, err := system.RenderAdapter(ctx, filepath.Join("hack", "e2e", "servicemonitor"))
	if err != nil {
		t.Fatal(err)
	}
	shipped := lab.Find(objects, "ServiceMonitor", "loadline-adapter")
	service := lab.Find(objects, "Service", "loadline-adapter")
	rights := []*unstructured.Unstructured{
		lab.Find(objects, "ClusterRoleBinding", "loadline-adapter-scraper"),
		lab.Find(objects, "Role", "loadline-adapter-discovery"), lab.Find(objects, "RoleBinding", "loadline-adapter-discovery"),
	}
	if shipped == nil || service == nil || slices.Contains(rights, nil) {
		t.Fatal("deploy/components/scrape-servicemonitor has changed its names")
	}
	added := slices.Concat(definition, rights)
	t.Cleanup(func() {
		if err := remove(context.WithoutCancel(ctx), added...); err != nil {
			t.Error(err)
		}
	})
	if err := system.Apply(ctx, append(slices.Clone(added), service)); err != nil {
		t.Fatal(err)
	}
	text, err := shipped.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	system.Until(t, "the ServiceMonitor is accepted", 30*time.Second, func(ctx context.Context) (bool, string) {
		cmd := system.Cluster.Kubectl(ctx, "apply", "--server-side", "--validate=strict", "-f", "-")
		cmd.Stdin = strings.NewReader(string(text))
		out, err := cmd.CombinedOutput()
		if err == nil && strings.Contains(string(out), "Warning") {
			t.Fatalf("%s", out)
		}
		return err == nil, string(out)
	})
	stored, err := system.Cluster.Kubectl(ctx, "get", "servicemonitors", "loadline-adapter", "--namespace="+shipped.GetNamespace(), "--output=yaml").Output()
	if err != nil {
		t.Fatal(err)
	}
	var m monitor
	if err := yaml.Unmarshal(stored, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Spec.Endpoints) != 1 || len(m.Spec.Selector.MatchLabels) != 1 || len(m.Spec.Selector.MatchExpressions) != 0 {
		t.Fatalf("the translation below knows one endpoint and one label:\n%s", stored)
	}
	if m.Spec.Endpoints[0].BearerTokenFile != "/var/run/secrets/kubernetes.io/serviceaccount/token" {
		t.Errorf("Prometheus' own token is elsewhere than in %q", m.Spec.Endpoints[0].BearerTokenFile)
	}
	return m
}

// operated starts a Prometheus that scrapes as the operator's would: it finds the
// endpoints of the Services that the ServiceMonitor selects, and scrapes them, with
// the rights of the ServiceAccount that the shipped bindings name.
func operated(t *testing.T, m monitor) *cluster.Prometheus {
	t.Helper()
	dir := t.TempDir()
	ca, token, clusterCA := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token"), filepath.Join(dir, "cluster-ca.crt")
	endpoint := m.Spec.Endpoints[0]
	secret, err := system.Client.CoreV1().Secrets(m.Metadata.Namespace).Get(t.Context(), endpoint.TLSConfig.CA.Secret.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, ca, secret.Data[endpoint.TLSConfig.CA.Secret.Key])
	put(t, token, []byte(boundToken(t)))
	config := system.Cluster.RESTConfig()
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	put(t, clusterCA, config.CAData)
	var selected string
	for label, value := range m.Spec.Selector.MatchLabels {
		meta := strings.NewReplacer(".", "_", "/", "_", "-", "_").Replace(label)
		selected = fmt.Sprintf("{action: keep, source_labels: [__meta_kubernetes_service_label_%s], regex: %q}", meta, value)
	}
	prometheus, err := cluster.StartPrometheus(t.Context(), cluster.PromOptions{ConfigYAML: fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
- job_name: adapter
  scheme: %s
  metrics_path: %s
  authorization: {credentials_file: %q}
  tls_config: {ca_file: %q, server_name: %s}
  kubernetes_sd_configs:
  - {role: endpointslice, namespaces: {names: [%s]}, api_server: %q, authorization: {credentials_file: %q}, tls_config: {ca_file: %q}}
  relabel_configs:
  - %s
  - {action: keep, source_labels: [__meta_kubernetes_endpointslice_port_name], regex: %s}
`, endpoint.Scheme, endpoint.Path, token, ca, endpoint.TLSConfig.ServerName,
		m.Metadata.Namespace, config.Host, token, clusterCA, selected, endpoint.Port)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := prometheus.Close(); err != nil {
			t.Error(err)
		}
	})
	return prometheus
}

// boundToken is a token of the ServiceAccount that the shipped binding names. The
// operator's installation would have made the account.
func boundToken(t *testing.T) string {
	t.Helper()
	ctx := t.Context()
	binding, err := system.Client.RbacV1().ClusterRoleBindings().Get(ctx, "loadline-adapter-scraper", metav1.GetOptions{})
	if err != nil || len(binding.Subjects) != 1 || binding.Subjects[0].Kind != "ServiceAccount" {
		t.Fatal(binding, err)
	}
	subject := binding.Subjects[0]
	accounts := system.Client.CoreV1().ServiceAccounts(subject.Namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: subject.Name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := accounts.Delete(context.WithoutCancel(ctx), subject.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	token, err := accounts.CreateToken(ctx, subject.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

func put(t *testing.T, file string, data []byte) {
	t.Helper()
	if len(data) == 0 {
		t.Fatalf("nothing to write to %s", filepath.Base(file))
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
