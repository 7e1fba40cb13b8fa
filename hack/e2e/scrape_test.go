//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
)

// Test8Scraped: a real Prometheus scrapes our metrics of both replicas: on the
// plain port, by annotations; and on the secure port as the shipped ServiceMonitor
// says, with its Service, port, path, CA and server name, and with the token of
// the ServiceAccount that the shipped binding names. The API server accepts the
// ServiceMonitor by the operator's schema without a warning. There is no operator:
// the test translates the ServiceMonitor into Prometheus' configuration. A user
// without the right gets 403.
func Test8Scraped(t *testing.T) {
	t.Run("plain port", func(t *testing.T) {
		prometheus, err := system.PrometheusURL(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		scraped(t, prometheus, `namespace="`+lab.AdapterNamespace+`"`)
	})

	t.Run("secure port", func(t *testing.T) {
		prometheus := operated(t, applyMonitor(t))
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

// scraped waits until Prometheus has our metrics of both replicas. Reads may all
// go to one of them.
func scraped(t *testing.T, prometheus, selector string) {
	t.Helper()
	for metric, replicas := range map[string]int{
		`loadline_reads_total{%s,outcome="ok",metric="http_requests_per_second"}`: 1,
		`loadline_read_duration_seconds_bucket{%s}`:                               1,
		`loadline_queries_total{%s,outcome="ok"}`:                                 2,
		`loadline_oldest_value_age_seconds{%s}`:                                   2,
		`loadline_wanted{%s,why="referenced"}`:                                    2,
		`loadline_wanted_rejections_total{%s}`:                                    2,
		`loadline_values_held{%s}`:                                                2,
		`loadline_config_last_load_success_timestamp_seconds{%s}`:                 2,
		`apiserver_delegated_authz_request_total{%s}`:                             1,
		`up{%s} == 1`: 2,
	} {
		query := fmt.Sprintf("count(count by (instance) ("+metric+")) >= %d", selector, replicas)
		system.Until(t, query, 30*time.Second, func(ctx context.Context) (bool, string) {
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
