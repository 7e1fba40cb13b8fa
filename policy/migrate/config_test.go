package migrate_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/loadline/loadline/policy/migrate"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// compare compares a text with a file of testdata, which -update writes.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// The file with what is said of its rules; the page has this output.
func TestAnnotated(t *testing.T) {
	data, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := migrate.ReadConfig("config.yaml", data)
	if err != nil || c.Failed() {
		t.Fatal(err, c)
	}
	compare(t, "testdata/annotated.yaml", c.Annotated())
	page, err := os.ReadFile("../../docs/migrate-from-prometheus-adapter.md")
	if err != nil {
		t.Fatal(err)
	}
	if block := "```yaml\n" + c.Annotated() + "```\n"; !strings.Contains(string(page), block) {
		t.Errorf("docs/migrate-from-prometheus-adapter.md lacks testdata/annotated.yaml:\n%s", block)
	}
}

// Every configuration of the conformance tests that can be used stays what it was, to the
// letter, but for whole lines of ours; and a second call changes nothing.
func TestAnnotatedKeepsAll(t *testing.T) {
	files, err := filepath.Glob("../../hack/conformance/cases/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var given struct{ Config, Error string }
		if err := yaml.Unmarshal(data, &given); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		c, err := migrate.ReadConfig(file, []byte(given.Config))
		switch {
		case err == nil && !c.Failed():
		case given.Error == "":
			t.Errorf("%s: %v, %+v", file, err, c)
			fallthrough
		default:
			continue
		}
		used += len(c.Rules)
		out := c.Annotated()
		var rest strings.Builder
		lines := 0
		for line := range strings.Lines(out) {
			if strings.HasPrefix(strings.TrimLeft(line, " "), "# loadline: ") {
				lines++
				continue
			}
			rest.WriteString(line)
		}
		if diff := cmp.Diff(given.Config, rest.String()); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		if lines < len(c.Rules) {
			t.Errorf("%s: %d lines about %d rules", file, lines, len(c.Rules))
		}
		again, err := migrate.ReadConfig(file, []byte(out))
		if err != nil || again.Failed() {
			t.Fatalf("%s: %v, %+v", file, err, again)
		}
		if diff := cmp.Diff(out, again.Annotated()); diff != "" {
			t.Errorf("%s, again: %s", file, diff)
		}
		for _, r := range c.Rules {
			if r.Line == 0 || len(r.Reads) == 0 {
				t.Errorf("%s: %+v", file, r)
			}
			for _, read := range r.Reads {
				if read.PromQL == "" || read.Shared == (read.Alone != "") {
					t.Errorf("%s, %s: %+v", file, r.ID, read)
				}
			}
		}
	}
	if used < 100 {
		t.Errorf("%d rules only", used)
	}
}

const (
	objects  = "resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}"
	external = "resources: {overrides: {namespace: {resource: namespace}}}"
)

// What is said of one rule.
func TestRule(t *testing.T) {
	for name, tc := range map[string]struct {
		config string
		serves string
		// reads are those that share one query, or why not, by objects.
		reads map[string]string
		// differ are the IDs of differences.
		differ []string
	}{
		"a rate of pods": {
			"rules: [{seriesQuery: 'hits_total{pod!=\"\"}', " + objects + ", name: {matches: ^(.*)_total$}, metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]",
			"hits of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, nil,
		},
		"any series by its own name": {
			"rules: [{seriesQuery: '{__name__=~\"^app_.*\"}', " + objects + ", metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}]",
			"each series that seriesQuery and seriesFilters leave, by its own name of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"sample-age"},
		},
		"many series by a pattern, of any kind": {
			"rules: [{seriesQuery: '{__name__=~\"^app_.*\"}', resources: {template: 'kube_<<.Resource>>'}, name: {matches: ^app_(.*)$}, metricsQuery: 'sum(increase(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]",
			"each series that seriesQuery and seriesFilters leave, as $1 of ^app_(.*)$ of any kind that a label names by kube_<<.Resource>>", map[string]string{"pods": ""}, []string{"later-kinds"},
		},
		"a name that its own filter takes away": {
			"rules: [{seriesQuery: hits_total, seriesFilters: [{isNot: _total$}], " + objects + ", metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]",
			"nothing: its filters and name.matches leave no name for hits_total", map[string]string{"namespaces": "", "pods": ""}, nil,
		},
		"a ratio": {
			"rules: [{seriesQuery: hits_total, " + objects + ", metricsQuery: 'sum(rate(hits_total{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>) / sum(rate(reads_total{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]",
			"hits_total of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"nan"},
		},
		"a quantile": {
			"rules: [{seriesQuery: latency_bucket, " + objects + ", metricsQuery: 'histogram_quantile(0.9, sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>, le))'}]",
			"latency_bucket of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"nan"},
		},
		"divided by a number": {
			"rules: [{seriesQuery: bytes, " + objects + ", metricsQuery: 'sum(avg_over_time(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>) / 1024'}]",
			"bytes of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, nil,
		},
		"no aggregation": {
			"rules: [{seriesQuery: load, " + objects + ", metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}]",
			"load of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"sample-age", "several-samples"},
		},
		"a label too many": {
			"rules: [{seriesQuery: load, " + objects + ", metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>, code)'}]",
			"load of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"several-samples"},
		},
		"a label too many, within": {
			"rules: [{seriesQuery: load, " + objects + ", metricsQuery: 'sum(max(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>, code)) by (<<.GroupBy>>)'}]",
			"load of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, nil,
		},
		"usage that is not aggregated": {
			"resourceRules: {memory: {nodeQuery: 'avg_over_time(node_memory{<<.LabelMatchers>>}[1m])', resources: {overrides: {node: {resource: node}}}}}",
			"memory of nodes", map[string]string{"nodes": ""}, []string{"several-samples", "usage"},
		},
		"usage of containers": {
			"resourceRules: {cpu: {containerLabel: container, containerQuery: 'sum(rate(cpu{<<.LabelMatchers>>}[5m])) by (<<.GroupBy>>)', resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}}}",
			"cpu of each container of pods", map[string]string{"pods": ""}, []string{"usage", "objects"},
		},
		"values by their names": {
			"rules: [{seriesQuery: load, " + objects + ", metricsQuery: 'sum(rate(<<.Series>>{namespace=\"<<.LabelValuesByName.namespace>>\",pod=~\"<<.LabelValuesByName.pod>>\"}[1m])) by (<<.GroupBy>>)'}]",
			"load of namespace, pod", map[string]string{"namespaces": "", "pods": ""}, []string{"matcher-values"},
		},
		"another kind, and top": {
			"rules: [{seriesQuery: load, resources: {overrides: {ns: {resource: namespace}, ing: {group: networking.k8s.io, resource: ingress}}}, metricsQuery: 'topk(1, sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>))'}]",
			"load of namespace, ingress.networking.k8s.io", map[string]string{"namespaces": "topk does not compute", "ingresses.networking.k8s.io": "topk does not compute"}, []string{"several-samples", "cannot-list"},
		},
		"a kind that nobody knows": {
			"rules: [{seriesQuery: load, resources: {overrides: {game: {group: example.org, resource: game}}}, metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]",
			"load of game.example.org", map[string]string{"games.example.org": ""}, []string{"cannot-list"},
		},
		"a queue": {
			"externalRules: [{seriesQuery: depth, " + external + ", metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) by (queue)'}]",
			"depth, in each namespace its own series", map[string]string{"": ""}, []string{"sample-age", "no-series"},
		},
		"a queue that may be gone": {
			"externalRules: [{seriesQuery: depth, emptyValue: 0, resources: {namespaced: false}, metricsQuery: 'max(max_over_time(<<.Series>>{<<.LabelMatchers>>}[1m])) by (queue)'}]",
			"depth, the same in all namespaces", map[string]string{"": ""}, nil,
		},
		"a queue that is filled up": {
			"externalRules: [{seriesQuery: depth, " + external + ", metricsQuery: 'sum(last_over_time(<<.Series>>{<<.LabelMatchers>>}[1m])) or vector(0)'}]",
			"depth, in each namespace its own series", map[string]string{"": "or takes elements of one side"}, nil,
		},
		"usage": {
			"resourceRules: {cpu: {containerLabel: container, nodeQuery: 'sum(rate(node_cpu{<<.LabelMatchers>>}[5m])) by (<<.GroupBy>>)', resources: {overrides: {node: {resource: node}}}}}",
			"cpu of nodes", map[string]string{"nodes": ""}, []string{"usage"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := migrate.ReadConfig("f", []byte(tc.config))
			if err != nil || c.Failed() || len(c.Rules) != 1 {
				t.Fatalf("%v: %+v", err, c)
			}
			r := c.Rules[0]
			if r.Serves != tc.serves {
				t.Errorf("serves %q, want %q", r.Serves, tc.serves)
			}
			reads := map[string]string{}
			for _, read := range r.Reads {
				reads[read.Objects] = read.Alone
				if want := tc.reads[read.Objects]; want != "" && strings.Contains(read.Alone, want) {
					reads[read.Objects] = want
				}
			}
			if diff := cmp.Diff(tc.reads, reads); diff != "" {
				t.Error(diff)
			}
			var differ []string
			for _, d := range r.Differences {
				differ = append(differ, d.ID)
			}
			if diff := cmp.Diff(tc.differ, differ); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const bad = `rules:
- seriesQuery: hits_total
  resources: {overrides: {pod: {resource: pod}}}
  metricsQuery: sum(
externalRules:
- seriesQuery: '{'
  metricsQuery: x
  nonsense: 1
`

// Mistakes are all said, each with its line in what was given.
func TestErrors(t *testing.T) {
	indented := "    " + strings.ReplaceAll(strings.TrimSuffix(bad, "\n"), "\n", "\n    ") + "\n"
	for name, tc := range map[string]struct {
		data   string
		offset int
	}{
		"a file":      {bad, 0},
		"a ConfigMap": {"# Ours.\nkind: ConfigMap\nmetadata: {name: adapter}\ndata:\n  other: x\n  config.yaml: |\n" + indented, 6},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := migrate.ReadConfig("f", []byte(tc.data))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range c.Errors {
				got = append(got, fmt.Sprintf("%d %s", p.Line-tc.offset, p.Path))
			}
			want := []string{"4 rules[0].metricsQuery", "6 externalRules[0].seriesQuery", "6 externalRules[0].resources", "8 externalRules[0]"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A configuration in a ConfigMap: in its place if it is a block of text, by itself if not.
func TestConfigMap(t *testing.T) {
	const config = "rules:\n- seriesQuery: hits\n  " + objects + "\n  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)\n"
	comments := "# loadline: rules[0] serves hits of namespace, pod (custom.metrics.k8s.io)\n# loadline: reads of namespaces, pods share one query\n"
	annotated := strings.Replace(config, "- series", comments+"- series", 1)
	indent := func(s string) string {
		return "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ") + "\n"
	}
	block := func(s string) string {
		return "apiVersion: v1\nkind: ConfigMap\ndata:\n  config.yaml: |\n" + indent(s) + "metadata: {name: adapter} # ours\n"
	}
	for name, tc := range map[string]struct{ data, want, err string }{
		"a block":              {block(config), block(annotated), ""},
		"again":                {block(annotated), block(annotated), ""},
		"quoted":               {fmt.Sprintf("kind: ConfigMap\ndata: {config.yaml: %q}\n", config), annotated, ""},
		"under another key":    {"kind: ConfigMap\ndata:\n  rules: |\n" + indent(config), "kind: ConfigMap\ndata:\n  rules: |\n" + indent(annotated), ""},
		"under one of several": {"kind: ConfigMap\ndata: {a: x, b: y}\n", "", "has no config.yaml among its keys a, b"},
		"another kind":         {"apiVersion: v1\nkind: List\nitems: []\n", "", "it is a List: give the configuration, or the manifest of the ConfigMap"},
		"without data":         {"kind: ConfigMap\n", "", "has no data"},
		"with a number":        {"kind: ConfigMap\ndata: {config.yaml: []}\n", "", "is no text"},
		"where no line fits":   {"rules: [{seriesQuery: hits,\n  " + objects + ", name: {as: a},\n  metricsQuery: 'sum(rate(hits{<<.LabelMatchers>>}[1m]))\n  by (<<.GroupBy>>)'}, {seriesQuery: hits, " + objects + ", name: {as: b}, metricsQuery: 'sum(rate(hits{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]\n", "beginning", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := migrate.ReadConfig("f", []byte(tc.data))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("%v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || c.Failed() {
				t.Fatalf("%v: %+v", err, c)
			}
			if tc.want == "beginning" {
				if out := c.Annotated(); !strings.HasPrefix(out, "# loadline: rules[0] serves a") || !strings.HasSuffix(out, tc.data) {
					t.Error(out)
				}
				return
			}
			if diff := cmp.Diff(tc.want, c.Annotated()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
