package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

const (
	diagnosticsPath = "/apis/diagnostics.loadline.dev/v1alpha1/namespaces/shop/metrics?limit=500"
	nextPath        = "/apis/diagnostics.loadline.dev/v1alpha1/namespaces/shop/metrics?continue=more&limit=500"
	everywherePath  = "/apis/diagnostics.loadline.dev/v1alpha1/metrics?limit=500"
)

// wanted is what the adapter says of the namespace shop, in two pages.
func wanted(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for path, file := range map[string]string{diagnosticsPath: "testdata/metrics-1.yaml", nextPath: "testdata/metrics-2.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(data)
	}
	return all
}

func metricsWith(t *testing.T, known map[string]string, args ...string) (code int, out, said string, asked []string) {
	t.Helper()
	a := &answers{known: known}
	code, out, said = runWith(t, a, newMetrics, "shop", args)
	return code, out, said, a.asked
}

// A table of what is wanted, and what is wrong with it below.
func TestMetrics(t *testing.T) {
	code, out, said, asked := metricsWith(t, wanted(t))
	if code != exitFound || said != "" || len(asked) != 2 {
		t.Fatalf("exit code %d: %s%s %q", code, said, out, asked)
	}
	golden(t, "testdata/metrics.txt", out)
	documented(t, "../../README.md", "$ kubectl loadline metrics -n shop\n"+out)
}

// As data it is all that the API said.
func TestMetricsAsData(t *testing.T) {
	code, out, said, _ := metricsWith(t, wanted(t), "-o", "json")
	var got struct{ Metrics []diagnostics.Metric }
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitFound || len(got.Metrics) != 5 {
		t.Fatalf("exit code %d, %v, %d metrics: %s%s", code, err, len(got.Metrics), said, out)
	}
	if r := got.Metrics[4].Reads[0]; !strings.HasPrefix(r.PromQL, "sum(rate(") || len(r.Values) != 3 {
		t.Errorf("%+v", r)
	}
}

func TestMetricsElsewhere(t *testing.T) {
	one := map[string]string{everywherePath: `items: [{metadata: {namespace: a, name: "external:x"}, time: "2026-06-01T12:00:00Z", api: external.metrics.k8s.io, metric: x, reads: [{horizontalPodAutoscalers: ["w\e[2J"], values: []}]}]`}
	for name, tc := range map[string]struct {
		known     map[string]string
		args      []string
		code      int
		out, said string
	}{
		"all namespaces": {one, []string{"-A"}, 0, "hpa/w^[[2J", ""},
		"a name that moves the cursor": {
			map[string]string{diagnosticsPath: `items: [{metadata: {namespace: shop, name: "pods:x\e[2J"}, time: "2026-06-01T12:00:00Z", problem: {reason: undefined, message: no rule}, reads: [{values: []}]}]`},
			nil, exitFound, "\n  pods:x^[[2J: undefined: no rule\n", "",
		},
		"nothing":        {map[string]string{diagnosticsPath: "items: []"}, nil, 0, "", "Nobody wants a metric in the namespace shop of loadline-adapter."},
		"nothing at all": {map[string]string{everywherePath: "items: []"}, []string{"-A"}, 0, "", "Nobody wants a metric in any namespace of loadline-adapter."},
		"not served":     {nil, nil, exitFound, "", "error: the cluster does not serve diagnostics.loadline.dev: there is no APIService v1alpha1.diagnostics.loadline.dev: install loadline-adapter"},
		"no right": {
			map[string]string{diagnosticsPath: `403 metrics.diagnostics.loadline.dev is forbidden: User "u" cannot list resource "metrics"`}, nil, exitFound, "",
			"ask for a Role that lets you list metrics in the group diagnostics.loadline.dev. The ClusterRole loadline-diagnostics-reader has this right, and view with it",
		},
		"a wrong format": {nil, []string{"-o", "name"}, exitUsage, "", "-o name: must be yaml or json"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, said, _ := metricsWith(t, tc.known, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(said, tc.said) || tc.out == "" && out != "" {
				t.Errorf("exit code %d, %q, %q; want %d, %q, %q", code, out, said, tc.code, tc.out, tc.said)
			}
		})
	}
}

// What an answer leaves out is said, and is not taken for values.
func TestMetricsOmitted(t *testing.T) {
	const (
		good   = `{object: %s, container: %s, value: "1"}`
		bad    = `{object: a, problem: {reason: not-finite, message: it is NaN}}`
		answer = `items: [{metadata: {namespace: shop, name: "pods:x"}, time: "2026-06-01T12:00:00Z", api: custom.metrics.k8s.io, resource: pods, metric: x, omittedReads: %d, reads: [{objectSelector: app=web, %s}]}]`
	)
	of := func(object, container string) string { return fmt.Sprintf(good, object, container) }
	for name, tc := range map[string]struct {
		reads  int
		read   string
		values string
		below  string
		code   int
	}{
		"reads":                 {61, "objects: 1, values: [" + of("a", "''") + "]", "1/1", "pods:x: 61 more reads are not shown", 0},
		"a read":                {1, "objects: 1, values: [" + of("a", "''") + "]", "1/1", "pods:x: 1 more read is not shown", 0},
		"values":                {0, "objects: 4, omittedValues: 2, values: [" + bad + "," + of("b", "''") + "]", "3/4", "", exitFound},
		"values, or problems":   {0, "objects: 4, omittedValues: 3, values: [" + bad + "]", "at least 0/4", "", exitFound},
		"of containers":         {0, "objects: 4, omittedValues: 3, values: [" + of("a", "app") + "," + of("a", "side") + "]", "at least 1/4", "", 0},
		"series":                {0, "omittedValues: 3, values: [" + of("''", "''") + "]", "4", "", 0},
		"series, or problems":   {0, "omittedValues: 3, values: [" + bad + "]", "at least 0", "", exitFound},
		"nothing of containers": {0, "objects: 1, values: [" + of("a", "app") + "," + of("a", "side") + "]", "1/1", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, said, _ := metricsWith(t, map[string]string{diagnosticsPath: fmt.Sprintf(answer, tc.reads, tc.read)})
			if code != tc.code || said != "" {
				t.Fatalf("exit code %d: %s%s", code, said, out)
			}
			lines := strings.Split(out, "\n")
			head, row, below := lines[0], lines[1], ""
			for _, line := range lines[2:] {
				if strings.Contains(line, "not shown") {
					below = strings.TrimSpace(line)
				}
			}
			from, to := strings.Index(head, "VALUES"), strings.Index(head, "AGE")
			got := [2]string{strings.TrimSpace(row[from:to]), below}
			if diff := cmp.Diff([2]string{tc.values, tc.below}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
