//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/loadline/loadline/hack/cluster"
)

// ofTwoSources has a rule of each of two Prometheis: what one asks is there in that one
// only.
const ofTwoSources = `sources:
- {name: far, url: %q}
externalRules:
- seriesQuery: up{job="near"}
  name: {as: near}
  resources: {namespaced: false}
  metricsQuery: sum(<<.Series>>{job="near"}) * 3
- seriesQuery: up{job="far"}
  source: far
  name: {as: far}
  resources: {namespaced: false}
  metricsQuery: sum(<<.Series>>{job="far"}) * 7
`

// Test6Sources: a second Prometheus comes with a change of the file, hangs, and goes with
// another change. While it hangs its metrics become errors that name it; each read of the
// first one's gives the value of a moment ago within 2 s.
func Test6Sources(t *testing.T) {
	near, far := scrapingItself(t, "near"), scrapingItself(t, "far")
	adapter := startStandalone(t, near.URL(), "--evaluation-interval=1s", "--query-timeout=500ms", "--value-max-age=5s")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(adapter.config+".next", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(adapter.config+".next", adapter.config); err != nil {
			t.Fatal(err)
		}
	}
	becomes := func(metric, value string) {
		t.Helper()
		system.Until(t, metric+" is "+value, 30*time.Second, func(context.Context) (bool, string) {
			code, body := adapter.read(t, metric)
			return isValue(code, body, value), body
		})
	}
	write(fmt.Sprintf(ofTwoSources, far.URL()))
	becomes("near", "3")
	becomes("far", "7")

	t.Cleanup(func() { _ = far.Resume() })
	if err := far.Hang(); err != nil {
		t.Fatal(err)
	}
	becomesError(t, adapter, "far", "7", `source "far" timeout`)
	var oldest time.Duration
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); system.Pause(t, 50*time.Millisecond) {
		code, body := adapter.read(t, "near")
		if !isValue(code, body, "3") {
			t.Fatalf("near, while far hangs: %d %.300s", code, body)
		}
		oldest = max(oldest, ageOf(t, body))
	}
	if oldest > slack { // the interval is 1 s, and so is the unit of what is told
		t.Errorf("values of near were %s old", oldest)
	}
	for path, parts := range map[string][]string{
		"/readyz?verbose": {"[+]sources-of-which-these-do-not-answer:-far ok"},
		"/metrics":        {`loadline_source_up{source="default"} 1`, `loadline_source_up{source="far"} 0`},
		"/debug/plan":     {"externalRules[1], source far: "},
	} {
		code, body, _ := adapter.get(t, path)
		for _, part := range parts {
			if code != http.StatusOK || !strings.Contains(body, part) {
				t.Errorf("%s: %d, without %q: %s", path, code, part, body)
			}
		}
	}
	if err := far.Resume(); err != nil {
		t.Fatal(err)
	}
	becomes("far", "7")

	begin, end := strings.Index(ofTwoSources, "externalRules:"), strings.Index(ofTwoSources, `- seriesQuery: up{job="far"}`)
	write(ofTwoSources[begin:end])
	system.Until(t, "far is gone", 20*time.Second, func(context.Context) (bool, string) {
		code, body := adapter.read(t, "far")
		return code == http.StatusNotFound, body
	})
	becomes("near", "3")
}

// ageOf is how long ago the one value of an answer was evaluated.
func ageOf(t *testing.T, body string) time.Duration {
	t.Helper()
	var list v1beta1.ExternalMetricValueList
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	return time.Since(list.Items[0].Timestamp.Time)
}

// scrapingItself starts a Prometheus that does, as the one target of a job, for the test's
// time.
func scrapingItself(t *testing.T, job string) *cluster.Prometheus {
	t.Helper()
	p, err := cluster.StartPrometheus(t.Context(), cluster.PromOptions{ConfigYAML: "global: {}"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	address, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: %s, static_configs: [{targets: [%q]}]}]", job, address.Host)
	if err := p.Reload(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return p
}
