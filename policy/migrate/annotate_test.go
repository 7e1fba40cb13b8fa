package migrate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/loadline/loadline/policy/migrate"
)

// annotated is a file with what is said of its rules.
func annotated(t *testing.T, data string) string {
	t.Helper()
	c, err := migrate.ReadConfig("f", []byte(data))
	if err != nil || c.Failed() {
		t.Fatalf("%v: %+v\n%s", err, c, data)
	}
	return c.Annotated()
}

// decoded is a file as YAML reads it.
func decoded(t *testing.T, data string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(data), &v); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return v
}

const rate = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)"

// What is in a text is none of our comments, whatever it begins with; what is outside of the
// configuration is nobody's to change.
func TestAnnotatedTexts(t *testing.T) {
	const (
		said = "# loadline: rules[0] serves hits of namespace, pod (custom.metrics.k8s.io)\n# loadline: reads of namespaces, pods share one query\n"
		old  = "# loadline: of an earlier call\n"
		head = "- seriesQuery: hits\n  " + objects + "\n  metricsQuery: "
	)
	in := func(indent, text string) string {
		return indent + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+indent) + "\n"
	}
	config := "rules:\n" + old + head + rate + "\n"
	want := "rules:\n" + said + head + rate + "\n"
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for name, tc := range map[string]struct{ data, want string }{
		"other keys of a ConfigMap": {
			"kind: ConfigMap\ndata:\n  before: |\n    # loadline: mine\n  config.yaml: |\n" + in("    ", config) + "  # loadline: mine\n  after: |\n    # loadline: mine\n    x: 1\n",
			"kind: ConfigMap\ndata:\n  before: |\n    # loadline: mine\n  config.yaml: |\n" + in("    ", want) + "  # loadline: mine\n  after: |\n    # loadline: mine\n    x: 1\n",
		},
		"another document": {
			"kind: ConfigMap\ndata:\n  config.yaml: |\n" + in("    ", config) + "---\n# loadline: mine\nkind: Service\n",
			"kind: ConfigMap\ndata:\n  config.yaml: |\n" + in("    ", want) + "---\n# loadline: mine\nkind: Service\n",
		},
		"a query with a comment of its own": {
			"rules:\n" + old + head + "|\n    # loadline: mine\n    " + rate + "\n",
			"rules:\n" + said + head + "|\n    # loadline: mine\n    " + rate + "\n",
		},
		"a folded query with a comment of its own": {
			"rules:\n" + old + head + ">-\n    " + rate + "\n    # loadline: mine\n",
			"rules:\n" + said + head + ">-\n    " + rate + "\n    # loadline: mine\n",
		},
		"a quoted query with a comment of its own": {
			"rules:\n" + old + head + "\"" + rate + "\n    # loadline: mine\"\n",
			"rules:\n" + said + head + "\"" + rate + "\n    # loadline: mine\"\n",
		},
		"further in, by an indicator": {
			"kind: ConfigMap\ndata:\n  config.yaml: |2\n" + in("      ", config),
			"kind: ConfigMap\ndata:\n  config.yaml: |2\n" + in("      ", want),
		},
		"an empty line first": {
			"kind: ConfigMap\ndata:\n  config.yaml: |\n\n" + in("    ", config),
			"kind: ConfigMap\ndata:\n  config.yaml: |\n\n" + in("    ", want),
		},
		"a folded configuration, by itself": {
			"kind: ConfigMap\ndata:\n  config.yaml: >\n" + in("    ", strings.NewReplacer("\n#", "\n\n#", "\n-", "\n\n-").Replace(config)),
			want,
		},
		"a text that others have, too, by itself": {
			"kind: ConfigMap\ndata:\n  config.yaml: &x |\n" + in("    ", config) + "  other: *x\n", want,
		},
		"the ends of lines": {crlf(config), crlf(want)},
		"the ends of lines of a ConfigMap": {
			crlf("kind: ConfigMap\ndata:\n  config.yaml: |\n" + in("    ", config) + "  other: |\n    # loadline: mine\n"),
			crlf("kind: ConfigMap\ndata:\n  config.yaml: |\n" + in("    ", want) + "  other: |\n    # loadline: mine\n"),
		},
		"no end of the last line": {strings.TrimSuffix(config, "\n"), strings.TrimSuffix(want, "\n")},
		"a last line that is no comment of ours": {
			"kind: ConfigMap\ndata:\n  config.yaml: |-\n" + in("    ", config+"# loadline: mine\n"),
			"kind: ConfigMap\ndata:\n  config.yaml: |-\n" + in("    ", want+"# loadline: mine\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := annotated(t, tc.data)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(got, annotated(t, got)); diff != "" {
				t.Errorf("again: %s", diff)
			}
		})
	}
}

// What a configuration has that no comment may have does not keep the rest from being said.
func TestAnnotatedUnprintable(t *testing.T) {
	data := "rules:\n- seriesQuery: '{__name__=~\"^app.*\"}'\n  " + objects + "\n  name: {matches: \"^(app\\a.*)$\"}\n  metricsQuery: " + rate + "\n"
	want := "# loadline: rules[0] serves each series that seriesQuery and seriesFilters leave, as $1 of ^(app?.*)$ of namespace, pod (custom.metrics.k8s.io)\n"
	if got := annotated(t, data); !strings.Contains(got, want) {
		t.Errorf("%q lacks %q", got, want)
	}
}

// Whatever a file is made of, a second call gives the same bytes, the configuration is the same,
// and so is all that is around it.
func TestAnnotatedTwice(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		data, before, after := someFile(r)
		got := annotated(t, data)
		if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
			t.Fatalf("seed %d: what is around it is changed:\n%q\n%q", seed, data, got)
		}
		if diff := cmp.Diff(decoded(t, configOf(t, data)), decoded(t, configOf(t, got))); diff != "" {
			t.Fatalf("seed %d: %s\n%s", seed, diff, data)
		}
		if !strings.Contains(got, "# loadline: rules[0] serves ") {
			t.Fatalf("seed %d: nothing is said\n%s", seed, data)
		}
		if diff := cmp.Diff(got, annotated(t, got)); diff != "" {
			t.Fatalf("seed %d, again: %s\n%s", seed, diff, data)
		}
	}
}

// configOf is the configuration of a file.
func configOf(t *testing.T, data string) string {
	t.Helper()
	if m, ok := decoded(t, data).(map[string]any); ok && m["kind"] == "ConfigMap" {
		text, _ := m["data"].(map[string]any)["config.yaml"].(string)
		return text
	}
	return data
}

// someFile is a configuration, or a ConfigMap with one, and what it begins and ends with.
func someFile(r *rand.Rand) (data, before, after string) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	ours := func(indent string) string {
		return pick("", "", indent+"# loadline: of an earlier call\n", indent+"# Mine.\n", "\n", indent+"# loadline: rules[0] serves x\n"+indent+"# Mine.\n")
	}
	query := func(name string) string {
		one := "sum(rate(" + name + "{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)"
		return pick(one, "'"+one+"'", "|\n    "+one+"\n", "|-\n    # loadline: of the query\n    "+one+"\n", ">\n    "+one+"\n    # loadline: of the query\n",
			"|2\n    # loadline: of the query\n     "+one+"\n", "\""+one+"\n    # loadline: of the query\"\n", "sum(rate("+name+"{<<.LabelMatchers>>}[1m]))\n    by (<<.GroupBy>>)\n", "|+\n    "+one+"\n\n")
	}
	line := func(s string) string { return strings.TrimSuffix(s, "\n") + "\n" }
	config := pick("", "\n", "# Mine.\n", "# loadline: of an earlier call\n") + "rules:" + pick("\n", " # Ours.\n")
	for i := range 1 + r.IntN(3) {
		name := fmt.Sprintf("hits_%d", i)
		config += ours("") + "- seriesQuery: " + name + "\n" + ours("  ") + "  " + objects + "\n" + "  metricsQuery: " + line(query(name)) + ours("  ")
	}
	if r.IntN(3) == 0 { // two on one line, of which the second begins within a text
		config = "rules: [{seriesQuery: a, " + objects + ", metricsQuery: 'sum(rate(a{<<.LabelMatchers>>}[1m]))\n  # loadline: of the query\n  by (<<.GroupBy>>)'}, {seriesQuery: b, " + objects + ", metricsQuery: 'sum(rate(b{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}]\n" + ours("")
		config = strings.Replace(config, "\n  # loadline: of the query", pick("", "\n"), 1)
	}
	if r.IntN(2) == 0 {
		return pick(config, strings.ReplaceAll(config, "\n", "\r\n")), "", ""
	}
	indent := strings.Repeat(" ", 3+r.IntN(4))
	header := pick("|", "|-", "|+", "|")
	if r.IntN(2) == 0 {
		header += fmt.Sprint(len(indent) - 2)
	}
	block := ""
	for l := range strings.Lines(config) {
		if l != "\n" {
			l = indent + l
		}
		block += l
	}
	other := func() string {
		return pick("", "  x: |\n    # loadline: of another\n    x: 1\n", "  y: >\n    # loadline: of another\n\n    y\n", "  z: y # loadline: of another\n", "  # loadline: of another\n")
	}
	before, after = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: adapter}\ndata:\n"+other()+"  config.yaml: "+header+"\n", strings.ReplaceAll(other(), "  x:", "  x2:")
	after = strings.NewReplacer("  y:", "  y2:", "  z:", "  z2:").Replace(after) + pick("", "immutable: true\n# loadline: of another\n", "---\n# loadline: of another\n")
	data = before + block + after
	if r.IntN(3) == 0 {
		crlf := strings.NewReplacer("\n", "\r\n")
		return crlf.Replace(data), crlf.Replace(before), crlf.Replace(after)
	}
	return data, before, after
}

// Whatever is a configuration stays one, the same, and is not changed by a second call.
func FuzzAnnotated(f *testing.F) {
	files, err := filepath.Glob("../../hack/conformance/cases/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var given struct{ Config string }
		if err := yaml.Unmarshal(data, &given); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(given.Config))
	}
	for seed := range uint64(60) {
		data, _, _ := someFile(rand.New(rand.NewPCG(seed, 1)))
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := migrate.ReadConfig("f", data)
		if err != nil || c.Failed() {
			return
		}
		got := c.Annotated()
		again, err := migrate.ReadConfig("f", []byte(got))
		if err != nil || again.Failed() {
			t.Fatalf("%v: %+v\n%q", err, again, got)
		}
		if diff := cmp.Diff(rulesOf(c), rulesOf(again)); diff != "" {
			t.Fatalf("%s\n%q\n%q", diff, data, got)
		}
		if diff := cmp.Diff(got, again.Annotated()); diff != "" {
			t.Fatalf("again: %s\n%q", diff, data)
		}
	})
}

// rulesOf is what is said of rules, but for the lines, which change.
func rulesOf(c *migrate.Config) (all []string) {
	for _, r := range c.Rules {
		r.Line = 0
		all = append(all, fmt.Sprintf("%+v", r))
	}
	return all
}
