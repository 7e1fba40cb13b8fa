package adapter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a file without rules, and its exporters, are for adapters with a source and without.
func TestCompile(t *testing.T) {
	const (
		exporters = "exporters: [{name: queue, namespace: queue, service: queue}]\n"
		source    = "sources: [{name: far, url: 'http://far'}]\n"
	)
	type result struct {
		Custom, External, Exporters int
		Warnings                    []string
	}
	for name, tc := range map[string]struct {
		url, file string
		want      result
	}{
		"exporters alone":               {"", exporters, result{3, 2, 1, nil}},
		"beside rules":                  {"", exporters + oneRule, result{1, 0, 1, nil}},
		"beside rules that are none":    {"", exporters + "rules: []\n", result{0, 0, 1, []string{"exporters have no effect while every rule names a source: nothing is scraped here"}}},
		"beside rules of other sources": {"", exporters + source + "externalRules:\n- {seriesQuery: b, source: far, resources: {namespaced: false}, metricsQuery: b}\n", result{0, 1, 1, []string{"exporters have no effect while every rule names a source: nothing is scraped here"}}},
		"with a source": {"http://prometheus", exporters + oneRule, result{1, 0, 1, []string{
			"exporters have no effect with --prometheus-url, which scrapes itself: nothing is scraped here",
		}}},
		"alone, with a source": {"http://prometheus", exporters, result{0, 0, 1, []string{
			"there are no rules, and the built-in ones are for pods that are scraped here: no metric is served",
			"exporters have no effect with --prometheus-url, which scrapes itself: nothing is scraped here",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewOptions()
			o.Source.URL = tc.url
			rules, err := o.compile([]byte(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, result{len(rules.Custom), len(rules.External), len(rules.Exporters), rules.Warnings}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
