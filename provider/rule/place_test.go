package rule

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Where a rule is in its file, and what it says there.
func TestPlace(t *testing.T) {
	const query = "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
	set, err := Compile([]byte(`
rules:
- {seriesQuery: a, resources: {template: "<<.Resource>>"}, metricsQuery: "` + query + `"}
- {seriesQuery: b, resources: {template: "<<.Resource>>"}, metricsQuery: "` + query + `"}
externalRules:
- {seriesQuery: c, resources: {namespaced: false}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>})"}
resourceRules:
  cpu: {containerLabel: container, containerQuery: "sum(cpu{<<.LabelMatchers>>}) by (<<.GroupBy>>)", resources: {template: "<<.Resource>>"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	all := set.All()
	if cpu, ok := set.Usage.Rule("cpu", schema.GroupResource{Resource: "pods"}); ok {
		all = append(all, cpu)
	}
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprintf("%s %s %d %s", r.ID(), r.Section(), r.Index(), r.Template()))
	}
	want := []string{
		"rules[0] rules 0 " + query,
		"rules[1] rules 1 " + query,
		"externalRules[0] externalRules 0 sum(<<.Series>>{<<.LabelMatchers>>})",
		"resourceRules.cpu.containerQuery resourceRules -1 sum(cpu{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
