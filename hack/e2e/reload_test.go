//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// An adapter takes another configuration while it runs: a good one at once, and a bad one
// not at all, which it says.
func Test6Reload(t *testing.T) {
	source := startFaultySource(t)
	adapter := startStandalone(t, source.URL, "--evaluation-interval=1s")
	is := func(what, metric, value string) {
		t.Helper()
		system.Until(t, what, 20*time.Second, func(context.Context) (bool, string) {
			code, body := adapter.read(t, metric)
			return isValue(code, body, value), body
		})
	}
	says := func(what, path, part string) {
		t.Helper()
		system.Until(t, what, 20*time.Second, func(context.Context) (bool, string) {
			code, body, _ := adapter.get(t, path)
			return code == http.StatusOK && strings.Contains(body, part), body
		})
	}
	write := func(content string) {
		t.Helper()
		// As a ConfigMap is exchanged: at once, by another file of the same name.
		if err := os.WriteFile(adapter.config+".next", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(adapter.config+".next", adapter.config); err != nil {
			t.Fatal(err)
		}
	}
	const swapped = `externalRules:
- seriesQuery: level
  name: {as: depth}
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
`
	is("depth is of the series depth", "depth", "7")
	write(swapped)
	is("depth is of the series level", "depth", "3")
	code, body := adapter.read(t, "level")
	if code != http.StatusNotFound {
		t.Errorf("a metric that no rule gives any more: %d %s", code, body)
	}
	says("all is well", "/readyz?verbose", "[+]configuration ok")

	write("externalRules: [{seriesQuery: depth}]")
	says("the bad file is told", "/readyz?verbose", "[+]configuration-is-not-the-newest-file,-see-the-log ok")
	says("and shows", "/metrics", "loadline_config_last_load_successful 0")
	is("the last good one is in use", "depth", "3")

	write(faultRules)
	is("it is mended", "depth", "7")
	says("and all is well again", "/metrics", "loadline_config_last_load_successful 1")
}

// Who may get /debug/plan sees what is asked of the source for the whole system: one query
// for all pods of one metric.
func Test6Plan(t *testing.T) {
	stranger, err := system.Cluster.UserConfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	pod := adapterPods(t)[0]
	if code, body := directly(t, stranger, pod, "/debug/plan"); code != http.StatusForbidden {
		t.Errorf("a stranger: %d %.200s", code, body)
	}
	system.Until(t, "one query for the pods of two workloads", 30*time.Second, func(context.Context) (bool, string) {
		code, body := directly(t, system.Cluster.RESTConfig(), pod, "/debug/plan")
		text := string(body)
		return code == http.StatusOK && strings.Contains(text, "reads, told apart by namespace, pod\n  sum by (pod, namespace) (rate(http_requests_total{"), text
	})
}
