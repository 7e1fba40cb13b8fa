package rule

import "testing"

// Two rules are the same where they say the same, wherever and however they say it.
func TestSameRule(t *testing.T) {
	const head = "externalRules:\n- {seriesQuery: a, resources: {namespaced: false}, metricsQuery: 'sum(a{<<.LabelMatchers>>})'"
	first := func(file string) *Rule {
		t.Helper()
		set, err := Compile([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return set.External[len(set.External)-1]
	}
	for name, tc := range map[string]struct {
		file string
		want bool
	}{
		"itself":             {head + "}", true},
		"in another style":   {"# moved\nexternalRules:\n- seriesQuery: \"a\"\n  metricsQuery: sum(a{<<.LabelMatchers>>})\n  resources:\n    namespaced: false", true},
		"behind another":     {head + ", name: {as: b}}\n" + head[len("externalRules:\n"):] + "}", true},
		"another query":      {head[:len(head)-1] + " '}", false},
		"another name":       {head + ", name: {as: b}}", false},
		"a filter":           {head + ", seriesFilters: [{is: a}]}", false},
		"the other filter":   {head + ", seriesFilters: [{isNot: b}]}", false},
		"what none means":    {head + ", emptyValue: 0}", false},
		"another source":     {"sources: [{name: s, url: http://s}]\n" + head + ", source: s}", false},
		"labels of a kind":   {head[:len(head)-len(", metricsQuery: 'sum(a{<<.LabelMatchers>>})'")-1] + ", overrides: {n: {resource: namespace}}}, metricsQuery: 'sum(a{<<.LabelMatchers>>})'}", false},
		"another selector":   {"externalRules:\n- {seriesQuery: b, resources: {namespaced: false}, metricsQuery: 'sum(a{<<.LabelMatchers>>})'}", false},
		"seen by namespaces": {"externalRules:\n- {seriesQuery: a, resources: {overrides: {n: {resource: namespace}}}, metricsQuery: 'sum(a{<<.LabelMatchers>>})'}", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := first(head + "}").Same(first(tc.file)); got != tc.want {
				t.Errorf("%t, want %t", got, tc.want)
			}
		})
	}
}
