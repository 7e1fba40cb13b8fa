package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestCompileErrors(t *testing.T) {
	const good = "  seriesQuery: 'x{pod!=\"\"}'\n  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}\n"
	rule := func(rest string) string { return "rules:\n-\n" + good + rest }
	withQuery := func(query string) string { return rule("  metricsQuery: " + query + "\n") }
	const q = "  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'\n"
	ext := func(resources, query string) string {
		return "externalRules:\n- {seriesQuery: x, resources: {" + resources + "}, metricsQuery: " + query + "}\n"
	}
	for name, tc := range map[string]struct{ file, want string }{
		"empty":          {"", `the configuration is empty: it needs rules, externalRules, resourceRules or exporters`},
		"comment only":   {"# nothing\n", `the configuration is empty: it needs rules, externalRules, resourceRules or exporters`},
		"empty mapping":  {"{}\n", `the configuration is empty: it needs rules, externalRules, resourceRules or exporters`},
		"not a mapping":  {"- rules\n", `must be a mapping, not a list (line 1)`},
		"not YAML":       {"rules: [\n", `the configuration is not YAML: line 1: did not find expected node content`},
		"unknown anchor": {"rules: *a\n", `the configuration is not YAML: unknown anchor 'a' referenced`},
		"two documents":  {"rules: []\n---\nrules: []\n", `the configuration has more than one YAML document: keep one`},
		"rubbish after the document": {
			"rules: []\n---\n[\n", `the configuration is not YAML: line 3: did not find expected node content`,
		},
		"huge":               {strings.Repeat("#", MaxBytes+1), `the configuration has 4194305 bytes, more than the limit of 4194304`},
		"unknown key":        {"rulez: []\n", `unknown key "rulez": known here are rules, externalRules, resourceRules, sources, exporters (line 1)`},
		"wrong case":         {rule(q + "  SeriesFilters: []\n"), `rules[0]: unknown key "SeriesFilters": write seriesFilters (line 6)`},
		"duplicate key":      {rule(q + q), `rules[0]: duplicate key "metricsQuery": keep one (line 6)`},
		"rules as a mapping": {"rules: {}\n", `rules: must be a list, not a mapping (line 1)`},
		"text as a list":     {rule(q + "  name: {as: [a]}\n"), `rules[0].name.as: must be a text, not a list (line 6)`},
		"not a boolean":      {ext("namespaced: maybe", "x"), `externalRules[0].resources.namespaced: must be true or false (line 2)` + "\n" + `externalRules[0].resources: gives no label for namespaces, which every query of a namespaced external rule needs: add overrides namespace: {resource: namespace}, or set namespaced: false (line 2)`},
		"unknown key in a resource rule": {
			"resourceRules: {cpu: {containerQuerry: x}}\n",
			`resourceRules.cpu: unknown key "containerQuerry": known here are containerQuery, nodeQuery, resources, containerLabel, source (line 1)`,
		},
		"a resource rule without a query": {
			"resourceRules: {window: 1m}\n",
			`resourceRules: has no query: give cpu and memory a containerQuery and a nodeQuery, or remove it (line 1)`,
		},
		"containers by the label of pods": {
			"resourceRules: {cpu: {containerLabel: pod, containerQuery: 'x{<<.LabelMatchers>>}', resources: {template: <<.Resource>>}}}\n",
			`resourceRules.cpu.containerLabel: "pod" is the label of another resource, and tells no containers apart (line 1)`,
		},
		"every mistake of resource rules": {
			"resourceRules:\n  window: soon\n  cpu:\n    containerQuery: sum(x{<<.LabelMatchers>>}) by (pod)\n    nodeQuery: sum(x{<<.LabelMatchers>>}) by (<<.GroupBy>>\n    resources: {overrides: {pod: {resource: pod}}}\n" +
				"  memory:\n    containerLabel: container\n    containerQuery: sum(x{<<.LabelMatchers>>}) by (pod)\n    nodeQuery: <<.Foo>>\n    resources: {template: <<.Resource>>}\n",
			`resourceRules.window: "soon" is no duration: give one such as 5m, the range of the CPU queries (line 2)
resourceRules.cpu.containerLabel: is missing: name the label that has the container's name, which is usually container (line 4)
resourceRules.cpu.resources: gives no label for namespaces: add overrides namespace: {resource: namespace} (line 6)
resourceRules.cpu.resources: gives no label for nodes: add overrides node: {resource: node} (line 6)
resourceRules.memory.containerQuery: its result has no label container, by which objects are told apart: aggregate with by (<<.GroupBy>>): sum(x{loadline="a",namespace="a",pod="a"}) by (pod) (line 9)
resourceRules.memory.nodeQuery: uses the unknown variable .Foo: known are .Series, .LabelMatchers, .LabelValuesByName, .GroupBy, .GroupBySlice (line 10)`,
		},
		"an empty value of objects":   {rule(q + "  emptyValue: 0\n"), `rules[0].emptyValue: is for externalRules: an object without a sample is not one without load (line 6)`},
		"an empty value that is none": {"externalRules:\n- {seriesQuery: x, emptyValue: none, resources: {namespaced: false}, metricsQuery: sum(x)}\n", `externalRules[0].emptyValue: "none" is no number: give one such as 0 (line 2)`},
		"an empty value of any series": {
			"externalRules:\n- {seriesQuery: '{__name__=~\"x.*\"}', emptyValue: 0, resources: {namespaced: false}, metricsQuery: sum(<<.Series>>)}\n",
			`externalRules[0].emptyValue: needs a seriesQuery of one series by its name, such as queue_depth{queue!=""}: while there is none, nothing else says what the metric is called (line 2)`,
		},
		"every mistake at once": {
			"rules:\n- {}\n- seriesQuery: '{'\n  name: {matches: '('}\n  seriesFilters: [{}, {is: a, isNot: b}, {isNot: '['}]\n  resources: {template: '<<.Group>>', overrides: {pod: {group: x}, '': {resource: pod}}}\n  metricsQuery: '<<.Foo>>'\n",
			`rules[0].seriesQuery: is missing: give a series selector, for example {__name__=~"http_.+",pod!=""} (line 2)
rules[0].resources: associates no label with a resource, so no object has this metric: add a template or overrides, for example pod: {resource: pod} (line 2)
rules[0].metricsQuery: is missing: give a query, for example sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) (line 2)
rules[1].seriesQuery: is not a series selector: 1:2: parse error: unexpected end of input inside braces (line 3)
rules[1].name.matches: error parsing regexp: missing closing ): ` + "`(`" + `: write a regular expression in RE2 syntax (line 4)
rules[1].seriesFilters[0]: has neither is nor isNot: give one regular expression (line 5)
rules[1].seriesFilters[1]: has both is and isNot: write two filters (line 5)
rules[1].seriesFilters[2].isNot: error parsing regexp: missing closing ]: ` + "`[`" + `: write a regular expression in RE2 syntax (line 5)
rules[1].resources.template: must contain <<.Resource>> once and <<.Group>> at most once, unchanged: labels are recognised by them (line 6)
rules[1].resources.overrides.pod.resource: is missing: name the resource, for example pod (line 6)
rules[1].resources.overrides.: "" is not a label name (line 6)
rules[1].metricsQuery: uses the unknown variable .Foo: known are .Series, .LabelMatchers, .LabelValuesByName, .GroupBy, .GroupBySlice (line 7)`,
		},
		"a query where a selector belongs": {
			"rules:\n- {seriesQuery: 'rate(x[1m])', resources: {template: '<<.Resource>>'}, metricsQuery: x}\n",
			`rules[0].seriesQuery: is not a series selector: 1:5: parse error: unexpected "(" (line 2)`,
		},
		"a selector of everything": {
			"rules:\n- {seriesQuery: '{__name__=~\".*\"}', resources: {template: '<<.Resource>>'}, metricsQuery: x}\n",
			`rules[0].seriesQuery: selects every series: add a matcher that does not match the empty text, for example {__name__=~"http_.+"} (line 2)`,
		},
		"no capture group":                   {rule(q + "  name: {as: '${1}_rate'}\n"), "rules[0].name.as: refers to ${1}, but name.matches has no capture group: put ( ) around the part to keep (line 6)"},
		"a group too far":                    {rule(q + "  name: {matches: '(a)', as: '$2'}\n"), "rules[0].name.as: refers to $2, but name.matches has only 1: put ( ) around the part to keep (line 6)"},
		"the underscore trap":                {rule(q + "  name: {matches: '^(.*)_total$', as: '$1_rate'}\n"), `rules[0].name.as: refers to the capture group "1_rate", which name.matches does not have: write ${1}_rate (line 6)`},
		"an unknown named group":             {rule(q + "  name: {matches: '(?P<a>x)', as: '${b}'}\n"), `rules[0].name.as: refers to the capture group "b", which name.matches does not have: name a group with (?P<b>…) (line 6)`},
		"two groups without as":              {rule(q + "  name: {matches: '(a)(b)'}\n"), `rules[0].name.as: is needed because name.matches has 2 capture groups: say which to use, for example ${1} (line 6)`},
		"a lone dollar":                      {rule(q + "  name: {as: 'a$'}\n"), `rules[0].name.as: has a $ that begins no reference: write ${1} for a capture group, $$ for a dollar sign (line 6)`},
		"a name that is no path segment":     {rule(q + "  name: {as: 'a/b'}\n"), `rules[0].name.as: gives the metric name "a/b", which may not contain '/' (line 6)`},
		"a slash beside a reference":         {rule(q + "  name: {as: 'a/$0'}\n"), `rules[0].name.as: gives the metric name "a/", which may not contain '/' (line 6)`},
		"template syntax":                    {withQuery("'<<.Series'"), "rules[0].metricsQuery: metricsQuery:1: unclosed action (line 5)"},
		"unknown function":                   {withQuery("'<<foo>>'"), `rules[0].metricsQuery: metricsQuery:1: function "foo" not defined (line 5)`},
		"unknown variable, branch not taken": {withQuery("'<<if .GroupBy>><<.Series>><<else>><<$.Foo>><<end>>'"), "rules[0].metricsQuery: uses the unknown variable .Foo: known are .Series, .LabelMatchers, .LabelValuesByName, .GroupBy, .GroupBySlice (line 5)"},
		"range over a number":                {withQuery("'<<range 1000000000>><<end>>'"), "rules[0].metricsQuery: has a range over something else than .GroupBySlice, .LabelValuesByName (line 5)"},
		"range over a variable":              {withQuery("'<<$n := 1000000000>><<range $n>><<end>>'"), "rules[0].metricsQuery: has a range over something else than .GroupBySlice, .LabelValuesByName (line 5)"},
		"nested ranges":                      {withQuery("'<<range .GroupBySlice>><<range $.GroupBySlice>><<range $.GroupBySlice>><<end>><<end>><<end>>'"), "rules[0].metricsQuery: has more than 2 nested ranges (line 5)"},
		"recursion":                          {withQuery(`'<<define "a">><<template "a">><<template "a">><<end>><<template "a">>'`), "rules[0].metricsQuery: has a define or block: write the query in one piece (line 5)"},
		"a text that doubles": {
			withQuery("'<<$x := \"\\\\\">>" + strings.Repeat("<<$x = js $x $x>>", 60) + "<<$x>>'"),
			"rules[0].metricsQuery: renders to more than 4194304 bytes (line 5)",
		},
		"renders to nothing":    {withQuery("'<<if .GroupBy>><<end>>'"), "rules[0].metricsQuery: renders to invalid PromQL: unknown position: parse error: no expression found in input:  (line 5)"},
		"invalid PromQL":        {withQuery("'sum(<<.Series>>'"), `rules[0].metricsQuery: renders to invalid PromQL: 1:6: parse error: unclosed left parenthesis: sum(x (line 5)`},
		"a range vector":        {withQuery("'<<.Series>>{<<.LabelMatchers>>}[5m]'"), `rules[0].metricsQuery: renders to a range vector, which is many values for each series: put a function such as rate( ) around it: x{loadline="a",namespace="a"}[5m] (line 5)`},
		"a string":              {withQuery(`'"<<.Series>>"'`), `rules[0].metricsQuery: renders to a string, not to numbers: "x" (line 5)`},
		"the label is dropped":  {withQuery("'sum(<<.Series>>{<<.LabelMatchers>>})'"), `rules[0].metricsQuery: its result has no label namespace, by which objects are told apart: aggregate with by (<<.GroupBy>>): sum(x{loadline="a",namespace="a"}) (line 5)`},
		"values outside quotes": {ext("overrides: {ns: {resource: namespace}}", "'x > <<.LabelValuesByName.ns>>'"), `externalRules[0].metricsQuery: prints LabelValuesByName outside a quoted string (line 2)`},
		"a reserved word":       {withQuery("'zzloadline'"), `rules[0].metricsQuery: contains "zzloadline", which is reserved (line 5)`},
		"template without a resource": {
			"rules:\n- {seriesQuery: x, resources: {template: 'pod'}, metricsQuery: 'x'}\n",
			`rules[0].resources.template: must contain <<.Resource>> once and <<.Group>> at most once, unchanged: labels are recognised by them (line 2)`,
		},
		"two labels for one resource": {
			"rules:\n- {seriesQuery: x, resources: {overrides: {a: {resource: pod}, b: {resource: pods}}}, metricsQuery: 'x'}\n",
			`rules[0].resources.overrides.b: means pods, and so does the label a: keep one, or it is open which of them a query uses (line 2)`,
		},
		"external without a namespace": {
			ext("overrides: {pod: {resource: pod}}", "x"),
			`externalRules[0].resources: gives no label for namespaces, which every query of a namespaced external rule needs: add overrides namespace: {resource: namespace}, or set namespaced: false (line 2)`,
		},
		"two rules for one name": {
			rule(q) + "-\n" + good + q,
			`rules[1]: gives the same names as rules[0] (same seriesQuery, seriesFilters and name, and resource namespace): remove one, or give it another name.as (line 7)`,
		},
		"two external rules for one name": {
			ext("namespaced: false", "x") + "- {seriesQuery: '{__name__=\"x\"}', resources: {namespaced: false}, metricsQuery: 'x + 1'}\n",
			`externalRules[1]: gives the same names as externalRules[0] (same seriesQuery, seriesFilters and name): remove one, or give it another name.as (line 3)`,
		},
		"a merge key that merges itself": {
			"rules:\n- &a\n  <<: *a\n",
			`rules[0].seriesQuery: is missing: give a series selector, for example {__name__=~"http_.+",pod!=""} (line 2)
rules[0].resources: associates no label with a resource, so no object has this metric: add a template or overrides, for example pod: {resource: pod} (line 2)
rules[0].metricsQuery: is missing: give a query, for example sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) (line 2)
rules[0]: merge keys nest more than 8 deep (line 3)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, tc.file, tc.want)
		})
	}
}

// refuses checks the error of a file that cannot be used.
func refuses(t *testing.T, file, want string) {
	t.Helper()
	set, err := Compile([]byte(file))
	if err == nil {
		t.Fatalf("no error but %+v", set)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestCompileBoundsAliases(t *testing.T) {
	file := "rules:\n- &a {seriesQuery: '" + strings.Repeat("x", 1<<20) + "'}\n" + strings.Repeat("- *a\n", 1000)
	_, err := Compile([]byte(file))
	if err == nil || !strings.Contains(err.Error(), "the file's aliases expand to more than 16777216 bytes: write fewer") {
		t.Errorf("error = %.300v", err)
	}
}

// TestConfigurations runs the shapes of configuration that are in use: each file
// in testdata says at its top what it stands for.
func TestConfigurations(t *testing.T) {
	series := []struct {
		name   string
		labels []string
	}{
		{"http_requests_total", []string{"code", "instance", "job", "namespace", "pod"}},
		{"container_cpu_usage_seconds_total", []string{"container", "id", "namespace", "node", "pod"}},
		{"container_memory_rss", []string{"container", "namespace", "pod"}},
		{"node_network_receive_packets_total", []string{"device", "instance", "node"}},
		{"kube_ingress_requests", []string{"kube_networking_k8s_io_ingress", "kube__namespace", "kube__pod", "kube_apps_deployment"}},
		{"http_requests_seconds_total", []string{"kubernetes_namespace", "kubernetes_pod_name", "path"}},
		{"queue_depth", []string{"namespace", "queue"}},
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, err := Compile(data)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, warning := range set.Warnings {
				fmt.Fprintf(&out, "warning: %s\n", warning)
			}
			for _, r := range append(set.Custom, set.External...) {
				for _, s := range series {
					describe(&out, r, s.name, s.labels)
				}
			}
			describeUsage(&out, set.Usage)
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", out.String())
		})
	}
}

func describe(out *strings.Builder, r *Rule, series string, labels []string) {
	metric, ok := r.MetricName(series)
	named := func(m *promlabels.Matcher) bool { return m.Name != model.MetricNameLabel || m.Matches(series) }
	if !ok || slices.IndexFunc(r.selector, func(m *promlabels.Matcher) bool { return !named(m) }) >= 0 {
		return // the source would not have returned it for this rule
	}
	if r.External() {
		query, err := r.Query(cluster(), QueryInput{Series: series, Namespace: "shop"})
		fmt.Fprintf(out, "%s %s\n  %s %v\n", r.ID(), metric, query.PromQL, err)
		return
	}
	objects, err := r.Objects(cluster(), labels)
	if err != nil {
		fmt.Fprintf(out, "%s %s: %s\n", r.ID(), metric, err)
	}
	for _, object := range objects {
		in := QueryInput{Series: series, Resource: object.Resource, Namespace: "shop", Names: []string{"a", "b"}}
		if object.Resource.Resource == "nodes" {
			in.Namespace = ""
		}
		query, err := r.Query(cluster(), in)
		fmt.Fprintf(out, "%s %s/%s by %s\n  %s %v\n", r.ID(), object.Resource, metric, object.Label, query.PromQL, err)
	}
}

func describeUsage(out *strings.Builder, u *Usage) {
	if u == nil {
		return
	}
	fmt.Fprintf(out, "window of usage: %s\n", u.Window)
	for _, of := range allUsage() {
		r, ok := u.Rule(of.resource, schema.GroupResource{Resource: of.object})
		if !ok {
			continue
		}
		in := QueryInput{Resource: schema.GroupResource{Resource: of.object}, Names: []string{"a", "b"}}
		if of.object == "pods" {
			in.Namespace = "shop"
		}
		query, err := r.Query(cluster(), in)
		fmt.Fprintf(out, "%s by %s, %s\n  %s %v\n", r.ID(), query.ObjectLabel, query.ContainerLabel, query.PromQL, err)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestObjects(t *testing.T) {
	template := func(text string) string {
		return "{seriesQuery: x, resources: {template: '" + text + "'}, metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}"
	}
	object := func(group, resource, label string) Object {
		return Object{Resource: schema.GroupResource{Group: group, Resource: resource}, Label: label}
	}
	for name, tc := range map[string]struct {
		rule   string
		labels []string
		mapper Mapper
		want   []Object
		err    string
	}{
		"plural labels do not count, for queries use the singular": {
			rule: template("<<.Resource>>"), labels: []string{"pods", "pod", "le", "job", "Pod"},
			want: []Object{object("batch", "jobs", "job"), object("", "pods", "pod")},
		},
		"groups with dots": {
			rule: template("kube_<<.Group>>_<<.Resource>>"), labels: []string{"kube_networking_k8s_io_ingress", "kube_apps_deployment", "kube__pod", "kube_pod", "kube_"},
			want: []Object{object("apps", "deployments", "kube_apps_deployment"), object("networking.k8s.io", "ingresses", "kube_networking_k8s_io_ingress"), object("", "pods", "kube__pod")},
		},
		"the group last, left out when empty": {
			rule: template("<<.Resource>><<if .Group>>_<<.Group>><<end>>"), labels: []string{"pod", "deployment_apps", "deployment"},
			want: []Object{object("apps", "deployments", "deployment_apps"), object("", "pods", "pod")},
		},
		"overrides win over the template": {
			rule:   "{seriesQuery: x, resources: {template: '<<.Resource>>', overrides: {ns: {resource: namespace}}}, metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}",
			labels: []string{"namespace", "ns", "pod"},
			want:   []Object{object("", "namespaces", "ns"), object("", "pods", "pod")},
		},
		"an override the cluster does not know leaves the others": {
			rule:   "{seriesQuery: x, resources: {overrides: {pod: {resource: pod}, brand: {group: cheese.io, resource: brand}}}, metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}",
			labels: []string{"brand", "pod"},
			want:   []Object{object("", "pods", "pod")},
			err:    `rules[0].resources.overrides.brand: the resource brand.cheese.io cannot be found in the cluster (no matches for cheese.io/, Resource=brand): correct it, or install what defines it`,
		},
		"discovery fails": {
			rule: template("<<.Resource>>"), labels: []string{"pod"}, mapper: unreachable{fmt.Errorf("connection refused")},
			err: `rules[0].resources.template: looking up the label "pod" as a resource: connection refused`,
		},
		"a group with a dash cannot be told from a dot": {
			rule: template("<<.Group>>_<<.Resource>>"), labels: []string{"cert_manager_io_issuer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.mapper == nil {
				tc.mapper = cluster()
			}
			got, err := one(t, "rules", tc.rule).Objects(tc.mapper, tc.labels)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if text := fmt.Sprint(err); (err != nil || tc.err != "") && text != tc.err {
				t.Errorf("error (-want +got):\n%s", cmp.Diff(tc.err, text))
			}
		})
	}
}

func TestMetricName(t *testing.T) {
	for name, tc := range map[string]struct {
		rest, series, want string
	}{
		"as it is":                 {"", "http_requests", "http_requests"},
		"a recording rule":         {"", "job:http:rate5m", "job:http:rate5m"},
		"one group":                {"name: {matches: '^(.*)_total$'}", "a_total", "a"},
		"no match":                 {"name: {matches: '^(.*)_total$'}", "a_count", ""},
		"a named group":            {"name: {matches: '^(?P<n>.*)_total$', as: '${n}_per_second'}", "a_total", "a_per_second"},
		"an unanchored match":      {"name: {matches: 'b.'}", "abcd", "bc"},
		"a group that is empty":    {"name: {matches: '^(x?)'}", "a", ""},
		"a dollar":                 {"name: {as: 'a$$'}", "x", "a$"},
		"is, unanchored":           {"seriesFilters: [{is: b}]", "abc", "abc"},
		"is, excluded":             {"seriesFilters: [{is: ^b}]", "abc", ""},
		"isNot":                    {"seriesFilters: [{is: a}, {isNot: c$}]", "abc", ""},
		"a name that holds PromQL": {"", `x{a="b"}`, ""},
		"a leading dot":            {"", ".5", ""},
		"OpenTelemetry's dots":     {"", "http.server.duration", "http.server.duration"},
	} {
		t.Run(name, func(t *testing.T) {
			comma := ", "
			if tc.rest == "" {
				comma = ""
			}
			got, ok := one(t, "rules", "{seriesQuery: x, resources: {template: '<<.Resource>>'}, metricsQuery: 'x{<<.LabelMatchers>>}'"+comma+tc.rest+"}").MetricName(tc.series)
			if diff := cmp.Diff(tc.want, got); ok != (tc.want != "") || ok && diff != "" {
				t.Errorf("ok = %t, name (-want +got):\n%s", ok, diff)
			}
		})
	}
}
