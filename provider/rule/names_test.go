package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// namesRule compiles one rule of pods.
func namesRule(t testing.TB, seriesQuery, name, query string) *Rule {
	t.Helper()
	set, err := Compile(fmt.Appendf(nil, `
rules:
- seriesQuery: '%s'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: %s
  metricsQuery: '%s'
`, seriesQuery, name, query))
	if err != nil {
		t.Fatal(err)
	}
	return set.Custom[0]
}

const sumQuery = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"

func TestNames(t *testing.T) {
	for name, tc := range map[string]struct {
		seriesQuery, name, query, metric string
		want                             []string
		unknown                          bool
	}{
		"a series by its name":             {`a_total{pod!=""}`, `{as: a}`, sumQuery, "a", []string{"a_total"}, false},
		"… for another metric":             {`a_total{pod!=""}`, `{as: a}`, sumQuery, "b", nil, false},
		"the name as it is":                {`{pod!=""}`, `{}`, sumQuery, "queue.depth", []string{`queue\.depth`}, false},
		"a suffix for another":             {`{pod!=""}`, `{matches: "^(.*)_total$", as: "${1}_per_second"}`, sumQuery, "a_per_second", []string{"a_total"}, false},
		"… that the metric does not have":  {`{pod!=""}`, `{matches: "^(.*)_total$", as: "${1}_per_second"}`, sumQuery, "a", nil, false},
		"… and no more than that":          {`{pod!=""}`, `{matches: "^(.*)_total$", as: "ab${1}bc"}`, sumQuery, "abc", nil, false},
		"a part of the name":               {`{pod!=""}`, `{matches: "_(queue)_", as: "$0"}`, sumQuery, "_queue_", []string{`.*(?:_queue_).*`}, false},
		"a group that has a name":          {`{pod!=""}`, `{matches: "^x_(?P<n>.+)$", as: "${n}"}`, sumQuery, "a", []string{"x_a"}, false},
		"two groups":                       {`{pod!=""}`, `{matches: "^(.+)_x_(.+)$", as: "${1}_${2}"}`, sumQuery, "a_b", []string{`.*(?:^(.+)_x_(.+)$).*`}, false},
		"a group that repeats":             {`{pod!=""}`, `{matches: "^(a|b)+$", as: "$1"}`, sumQuery, "b", []string{`.*(?:^(a|b)+$).*`}, false},
		"a group of one alternative":       {`{pod!=""}`, `{matches: "^(?:x_(.+)|y)$", as: "z$1"}`, sumQuery, "z", []string{`.*(?:^(?:x_(.+)|y)$).*`}, false},
		"a constant says: the selector":    {`{__name__=~"a|b",pod!=""}`, `{as: c}`, sumQuery, "c", []string{"a|b"}, false},
		"a constant, and any series":       {`{pod!=""}`, `{as: c}`, sumQuery, "c", []string{".*"}, false},
		"another series in the query":      {`a{pod!=""}`, `{}`, `sum(<<.Series>>{<<.LabelMatchers>>} / on(pod) b{<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "a", []string{"a", "b"}, false},
		"a series beside that of the rule": {`{pod!=""}`, `{matches: "^(.*)_sum$", as: "$1"}`, `sum(<<.Series>>_x{<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "a", []string{`(?:a_sum)_x`, "a_sum"}, false},
		"names by an expression":           {`a{pod!=""}`, `{}`, `sum({__name__=~"b_.+",<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "a", []string{"a", "b_.+"}, false},
		"no name in the query":             {`a{pod!=""}`, `{}`, `sum({<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "a", []string{".*", "a"}, false},
		"… and no namespace":               {`a{pod!=""}`, `{}`, `sum({<<index .GroupBySlice 0>>!=""}) by (<<.GroupBy>>)`, "a", nil, true},
		"a condition":                      {`a{pod!=""}`, `{}`, `<<if .LabelValuesByName>>sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>)<<else>>sum(b{<<.LabelMatchers>>}) by (<<.GroupBy>>)<<end>>`, "a", nil, true},
		"a part of the series' name":       {`{pod!=""}`, `{}`, `sum({__name__="<<slice .Series 0 3>>_x",<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "abc_total", nil, true},
		"… printed":                        {`{pod!=""}`, `{}`, `sum({__name__=~"<<printf "%.3s" .Series>>.*",<<.LabelMatchers>>}) by (<<.GroupBy>>)`, "abc_total", nil, true},
		"series that info joins":           {`a{pod!=""}`, `{}`, `sum(info(a{<<.LabelMatchers>>})) by (<<.GroupBy>>)`, "a", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			names, ok := namesRule(t, tc.seriesQuery, tc.name, tc.query).Names(tc.metric)
			got := allOf(names)
			if diff := cmp.Diff(tc.want, got); ok == tc.unknown || diff != "" {
				t.Errorf("known: %t, names (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// allOf are the names wherever they are looked for.
func allOf(n Names) []string {
	all := slices.Concat(n.Within, n.Anywhere)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestNamesOfUsageAndQueries(t *testing.T) {
	set, err := Compile([]byte(`
resourceRules:
  cpu:
    containerLabel: container
    containerQuery: sum(rate(container_cpu_usage_seconds_total{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
    resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := set.Usage.all()[0].Names("cpu")
	if diff := cmp.Diff(Names{Within: []string{"container_cpu_usage_seconds_total"}}, got); !ok || diff != "" {
		t.Errorf("of usage: known: %t (-want +got):\n%s", ok, diff)
	}
	got, _, ok = NamesIn(`rate(a_total[1m]) / {__name__=~"b|c"}`)
	if diff := cmp.Diff(Names{Anywhere: []string{"a_total", "b|c"}}, got); !ok || diff != "" {
		t.Errorf("of a query: known: %t (-want +got):\n%s", ok, diff)
	}
	if _, _, ok := NamesIn("rate("); ok {
		t.Error("the names in what is no PromQL are known")
	}
}

// Whatever a rule does with a name, the pattern of what it gives has that name.
func FuzzNamesHaveWhatTheRuleGives(f *testing.F) {
	for _, seed := range [][3]string{
		{"^(.*)_total$", "${1}_per_second", "http_requests_total"}, {"", "", "queue_depth"}, {"(a|b)+", "$1", "xaby"},
		{"^(?:x_(.+)|y)$", "z$1", "y"}, {"(?i)^A(.*)", "${1}", "abc"}, {"^(.)(.)", "$2$1", "ab"}, {"_(.*?)_", "$0", "a_b_c_"}, {"(a?)b", "$1", "bb"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, matches, as, series string) {
		var p problems
		raw := rawRule{name: rawName{matches: text{value: matches}, as: text{value: as}}}
		n := compileNaming(raw, &p)
		if p.count() > 0 {
			t.Skip()
		}
		metric, ok := n.metricName(series)
		if !ok {
			t.Skip()
		}
		pattern, _, given := n.inverse(metric)
		if !given {
			t.Fatalf("%q as %q gives %s the name %s, and the inverse knows none", matches, as, series, metric)
		}
		if whole := regexp.MustCompile("^(?s:" + pattern + ")$"); !whole.MatchString(series) {
			t.Errorf("%q as %q gives %s the name %s, and %s does not have it", matches, as, series, metric, pattern)
		}
	})
}

func TestNamesDoNotChangeTheRule(t *testing.T) {
	r := namesRule(t, `{pod!=""}`, `{matches: "^(.*)_total$", as: "$1"}`, sumQuery)
	first, _ := r.Names("a")
	second, _ := r.Names("b")
	third, _ := r.Names("a")
	if !slices.Equal(allOf(first), allOf(third)) || slices.Equal(allOf(first), allOf(second)) {
		t.Errorf("the same metric has other names later: %v %v %v", first, second, third)
	}
}

func TestNamedOutright(t *testing.T) {
	for query, want := range map[string]string{
		`sum(rate(x_total{pod!=""}[1m])) / y`:       "",
		`{__name__="x",namespace="a"}`:              "",
		`sum({__name__=~"x|y"})`:                    "",
		`vector(1)`:                                 "",
		`count({pod!=""})`:                          `{pod!=""} does not write the names of its series out`,
		`x + count_over_time({__name__=~".+"}[1m])`: `{__name__=~".+"} does not write`,
		`sum({__name__=~"x.*"})`:                    `{__name__=~"x.*"} does not write`,
		`sum({__name__!="x",pod="a"})`:              `does not write`,
		`sum({__name__=~"x|y",__name__=~".+"})`:     `does not write`,
	} {
		switch err := NamedOutright(query); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", query, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}
