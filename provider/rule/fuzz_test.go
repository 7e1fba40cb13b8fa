package rule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
)

// FuzzCompile: no file makes Compile panic, and what it accepts can be used.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("rules: [&a {<<: *a, name: {as: '$1_x'}}, *a]"))
	f.Add([]byte("rules:\n- {seriesQuery: x, resources: {template: 'a<<.Resource>>'}, metricsQuery: '<<range $k, $v := .LabelValuesByName>><<$k>><<end>>'}"))
	f.Add([]byte("sources: [&a {name: a, url: 'http://a', headers: {b: c}, sampleMaxAge: 1s, queryConcurrency: 2}, {<<: *a}]\nrules: [{source: a}]"))
	f.Add([]byte("exporters: [{name: q, namespace: queue, podSelector: 'app=q,!canary', port: 9090, path: /m, scheme: https, honorLabels: true}, {name: p, namespace: queue, service: p}]"))
	f.Add([]byte("exporters:\n- &a {name: a, namespace: b, podSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}, {key: e, operator: Exists}]}}\n- {<<: *a, name: c, podSelector: {matchLabels: *a}}\nrules: []"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Compile(data)
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v with error %v", set, err)
		}
		if err != nil {
			return
		}
		for _, e := range set.Exporters {
			if (e.Pods == nil) == (e.Service == "") || e.Pods != nil && e.Pods.Empty() || (e.Port == 0) == (e.PortName == "") || e.Name == "" || e.Namespace == "" ||
				!strings.HasPrefix(e.Path, "/") || e.Scheme != "http" && e.Scheme != "https" {
				t.Errorf("exporter %+v", e)
			}
		}
		for _, r := range append(set.Custom, set.External...) {
			if name, ok := r.MetricName("http_requests_total"); ok && validMetricName(name) != nil {
				t.Errorf("%s: metric name %q", r.ID(), name)
			}
			r.Objects(cluster(), []string{"pod", "a_b", "namespace"})
			in := QueryInput{Series: "http_requests_total", Namespace: "ns", Names: []string{"a.b", "c'"}}
			if !r.External() {
				in.Resource = schema.GroupResource{Resource: "pods"}
			}
			query, err := r.Query(cluster(), in)
			if err != nil {
				continue
			}
			if _, err := NewParser().ParseExpr(query.PromQL); err != nil {
				t.Errorf("%s rendered %q: %v", r.ID(), query.PromQL, err)
			}
		}
	})
}

// hostile are templates that put values in every kind of place. What they must
// select is checked against what was asked, whatever that is.
var hostile = []string{
	`sum by (<<.GroupBy>>) (x{<<.LabelMatchers>>})`,
	`sum by (<<.GroupBy>>) (label_replace(x{<<.LabelMatchers>>}, "q", '<<.LabelMatchers>>', "", ""))`,
	"sum by (<<.GroupBy>>) (label_replace(x{<<.LabelMatchers>>}, \"q\", `<<.LabelMatchers>>`, \"\", \"\"))",
	"sum by (<<.GroupBy>>) (x{<<.LabelMatchers>>}) # <<.LabelMatchers>>",
	`sum by (<<.GroupBy>>) (x{<<.LabelMatchers>>,a=~"<<index .LabelValuesByName "pod">>",b=~'<<.LabelValuesByName.k>>'})`,
	"sum by (<<.GroupBy>>) (x{<<.LabelMatchers>>,a=~`<<index .LabelValuesByName \"pod\">>`})",
	`sum by (<<.GroupBy>>) (label_replace(x{<<.LabelMatchers>>}, "q", "<<.LabelValuesByName.pod>>", "pod", "<<.LabelValuesByName.k>>"))`,
}

// FuzzRender proves that nothing in a read can change more of a query than the
// values of matchers: the query has the one selector of the template, on the one
// series, with exactly the matchers that were asked for.
func FuzzRender(f *testing.F) {
	for template := range hostile {
		f.Add(template, "shop", "web-1", "web.2", "k", "v", 0)
		f.Add(template, `ns"`, `a"} or up{x="`, "'", "app.kubernetes.io/name", "`", 1)
		f.Add(template, "\n", `\`, "", "k", `a|b`, 2)
		f.Add(template, "${1}", "(?i)A.*", "$1", "pod", "zzloadline0zz", 3)
	}
	f.Fuzz(func(t *testing.T, template int, namespace, first, second, key, value string, operator int) {
		template, operator = abs(template)%len(hostile), abs(operator)%4
		set, err := Compile([]byte("rules:\n- seriesQuery: x\n  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}\n  metricsQuery: |\n    " + hostile[template] + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		asked := []selection.Operator{selection.Equals, selection.NotEquals, selection.In, selection.Exists}[operator]
		values := []string{value}
		if asked == selection.Exists {
			values = nil
		}
		in := QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "pods"}, Namespace: namespace, Names: []string{first}}
		if second != "" {
			in.Names = append(in.Names, second)
		}
		requirement, err := labels.NewRequirement(key, asked, values)
		if err != nil {
			key = "" // not a selector the API server accepts
		} else {
			in.Selector = labels.NewSelector().Add(*requirement)
		}
		query, err := set.Custom[0].Query(cluster(), in)
		if err != nil {
			return
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query.PromQL)
		if err != nil {
			t.Fatalf("%q: %v", query.PromQL, err)
		}
		var found []*parser.VectorSelector
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if v, ok := node.(*parser.VectorSelector); ok {
				found = append(found, v)
			}
			return nil
		})
		if len(found) != 1 || found[0].Name != "x" {
			t.Fatalf("%q selects %v", query.PromQL, found)
		}
		checkMatchers(t, query.PromQL, found[0].LabelMatchers, in, key, asked, value)
	})
}

// checkMatchers compares matchers by what they match. a and b are the template's.
func checkMatchers(t *testing.T, query string, got []*promlabels.Matcher, in QueryInput, key string, asked selection.Operator, value string) {
	t.Helper()
	want := []*promlabels.Matcher{promlabels.MustNewMatcher(promlabels.MatchEqual, "__name__", "x")}
	if in.Namespace != "" {
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchEqual, "namespace", in.Namespace))
	}
	switch {
	case key == "": // no selector
	case asked == selection.Equals:
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchEqual, key, value))
	case asked == selection.NotEquals:
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchNotEqual, key, value))
	case asked == selection.In:
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchRegexp, key, regexp.QuoteMeta(value)))
	case asked == selection.Exists:
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchNotEqual, key, ""))
	}
	names := slices.Compact(slices.Sorted(slices.Values(in.Names)))
	if len(names) == 1 {
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchEqual, "pod", names[0]))
	} else {
		want = append(want, promlabels.MustNewMatcher(promlabels.MatchRegexp, "pod", pattern(names)))
	}
	got = slices.DeleteFunc(slices.Clone(got), func(m *promlabels.Matcher) bool {
		if m.Name == "a" && m.Type == promlabels.MatchRegexp && key != "a" && key != "pod" {
			for _, name := range names { // a name matches itself, and not itself and more
				if !m.Matches(name) || m.Matches(name+"x") && !slices.Contains(names, name+"x") {
					t.Errorf("%q: %s for names %q", query, m, names)
				}
			}
		}
		return (m.Name == "a" || m.Name == "b") && m.Type == promlabels.MatchRegexp && key != m.Name
	})
	if key == "a" || key == "b" {
		return // the template's own matchers cannot be told apart
	}
	if g, w := canonical(got), canonical(want); g != w {
		t.Errorf("%q selects by %s, want %s", query, g, w)
	}
}

func abs(i int) int {
	if i < 0 {
		return -(i + 1)
	}
	return i
}

// TestNamesAreLiteral: a name matches itself only, whatever it is made of.
func TestNamesAreLiteral(t *testing.T) {
	names := []string{`a.b`, `a"b`, `a\b`, "a`b", `a'b`, "a\nb", `a|b`, `(a`, `[a`, `a*`, `^a$`, "ä\u2028", "\x00", `${1}`, `{{x}}`, `<<.Series>>`}
	r := one(t, "rules", `{seriesQuery: x, resources: {overrides: {pod: {resource: pod}}}, metricsQuery: "x{<<.LabelMatchers>>}"}`)
	for _, name := range names {
		for _, asked := range [][]string{{name}, {name, "other"}} {
			query, err := r.Query(cluster(), QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "pods"}, Names: asked})
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(query.PromQL)
			if err != nil {
				t.Errorf("%q: %v", query.PromQL, err)
				continue
			}
			for _, m := range expr.(*parser.VectorSelector).LabelMatchers {
				if m.Name != "pod" {
					continue
				}
				for _, candidate := range append(slices.Clone(names), "axb", "A.B", "") {
					if want := slices.Contains(asked, candidate); m.Matches(candidate) != want {
						t.Errorf("%s matches %q: %t", strings.TrimSpace(query.PromQL), candidate, !want)
					}
				}
			}
		}
	}
}
