//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/lab"
)

// Test8Scraped: a real Prometheus scrapes the adapter's own metrics on the plain
// port, by annotations, and on the secure port, with a verified certificate and
// no right but the shipped ClusterRole's.
func Test8Scraped(t *testing.T) {
	t.Run("plain port", func(t *testing.T) {
		prometheus, err := system.PrometheusURL(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		scraped(t, prometheus, `namespace="`+lab.AdapterNamespace+`"`)
	})

	t.Run("secure port", func(t *testing.T) {
		dir := t.TempDir()
		ca, token := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
		secret, err := system.Client.CoreV1().Secrets(lab.AdapterNamespace).Get(t.Context(), "loadline-adapter-tls", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, ca, secret.Data["ca.crt"])
		put(t, token, []byte(scraper(t)))
		targets := []string{}
		for _, p := range adapterPods(t) {
			targets = append(targets, p.Status.PodIP+":6443")
		}
		prometheus, err := cluster.StartPrometheus(t.Context(), cluster.PromOptions{ConfigYAML: fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
- job_name: adapter
  scheme: https
  authorization: {credentials_file: %q}
  tls_config: {ca_file: %q, server_name: loadline-adapter.%s.svc}
  static_configs: [{targets: [%s]}]
`, token, ca, lab.AdapterNamespace, strings.Join(targets, ", "))})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := prometheus.Close(); err != nil {
				t.Error(err)
			}
		}()
		scraped(t, prometheus.URL(), `job="adapter"`)
	})

	t.Run("without the right", func(t *testing.T) {
		var code int
		stranger, err := system.Cluster.UserConfig("stranger")
		if err != nil {
			t.Fatal(err)
		}
		code, body := directly(t, stranger, adapterPods(t)[0], "/metrics")
		if code != http.StatusForbidden {
			t.Errorf("%d %.200s", code, body)
		}
	})
}

// scraped waits until Prometheus has our metrics of both replicas.
func scraped(t *testing.T, prometheus, selector string) {
	t.Helper()
	for _, metric := range []string{
		`loadline_reads_total{%s,outcome="ok",metric="http_requests_per_second"}`, `loadline_queries_total{%s,outcome="ok"}`,
		`loadline_read_duration_seconds_bucket{%s}`, `loadline_oldest_value_age_seconds{%s}`, `loadline_wanted{%s,why="referenced"}`,
		`loadline_wanted_rejections_total{%s}`, `loadline_values_held{%s}`, `loadline_config_last_load_success_timestamp_seconds{%s}`,
		`apiserver_delegated_authz_request_total{%s}`, `up{%s} == 1`,
	} {
		query := "count(" + fmt.Sprintf(metric, selector) + ") > 0"
		until(t, query, 30*time.Second, func(ctx context.Context) (bool, string) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query?query="+url.QueryEscape(query), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false, err.Error()
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			var answer struct{ Data struct{ Result []any } }
			if err != nil || json.Unmarshal(body, &answer) != nil {
				return false, fmt.Sprint(err, string(body))
			}
			return len(answer.Data.Result) == 1, string(body)
		})
	}
}

// scraper returns the token of a service account that may scrape, and nothing else.
func scraper(t *testing.T) string {
	t.Helper()
	ctx, meta := t.Context(), metav1.ObjectMeta{Name: "e2e-scraper"}
	accounts := system.Client.CoreV1().ServiceAccounts("default")
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := system.Client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "loadline-adapter-scraper"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: meta.Name, Namespace: "default"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := accounts.CreateToken(ctx, meta.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

func put(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
