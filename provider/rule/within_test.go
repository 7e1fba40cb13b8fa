package rule

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What only the label namespace of the read tells apart is within it; everything else is
// anywhere, and so are the names by which a metric is found at all, where there may be an
// answer without them.
func TestNamesWithin(t *testing.T) {
	within := func(names ...string) Names { return Names{Within: names} }
	anywhere := func(names ...string) Names { return Names{Anywhere: names} }
	const pods = `{overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}`
	for name, tc := range map[string]struct {
		rule string
		want Names
	}{
		"a sum":                {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, within("a")},
		"of a template":        {`{seriesQuery: 'a{pod!=""}', resources: {template: <<.Resource>>}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, within("a")},
		"another label":        {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {ns: {resource: namespace}, pod: {resource: pod}}}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"what pods say":        {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {exported_namespace: {resource: namespace}, pod: {resource: pod}}}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"the label of a pod":   {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {ns: {resource: namespace}, namespace: {resource: pod}}}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"of widgets":           {`{seriesQuery: 'a{pod!=""}', resources: {template: <<.Resource>>, overrides: {namespace: {group: example.com, resource: widget}}}, metricsQuery: 'sum(a{namespace=~"<<.LabelValuesByName.namespace>>"}) by (namespace,<<.GroupBy>>)'}`, anywhere("a")},
		"another template":     {`{seriesQuery: 'a{kube_pod!=""}', resources: {template: kube_<<.Resource>>}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"no matchers":          {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(<<.Series>>) by (<<.GroupBy>>)'}`, anywhere("a")},
		"a printed value":      {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace="<<.LabelValuesByName.namespace>>",pod=~"<<index .LabelValuesByName "pod">>"}) by (<<.GroupBy>>)'}`, within("a")},
		"… as an expression":   {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace=~"<<.LabelValuesByName.namespace>>",pod=~"<<index .LabelValuesByName "pod">>"}) by (<<.GroupBy>>)'}`, within("a")},
		"… and more":           {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace=~"<<.LabelValuesByName.namespace>>|x",pod=~"<<index .LabelValuesByName "pod">>"}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"… not":                {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace!="<<.LabelValuesByName.namespace>>",pod=~"<<index .LabelValuesByName "pod">>"}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"of another label":     {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace="<<.LabelValuesByName.pod>>"}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"a namespace by name":  {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace="a",pod=~"<<index .LabelValuesByName "pod">>"}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"the trial's by name":  {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{namespace="` + probe + `",pod!=""}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"a part of matchers":   {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{<<slice .LabelMatchers 0>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"matchers in a loop":   {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{<<range $l, $v := .LabelValuesByName>><<$l>>=~"<<$v>>",<<end>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
		"labels in a loop":     {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{<<.LabelMatchers>>}) by (<<range .GroupBySlice>><<.>>,<<end>>)'}`, within("a")},
		"one of two":           {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>) / scalar(b)'}`, Names{Within: []string{"a"}, Anywhere: []string{"b"}}},
		"found by the other":   {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(b{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{"b"}, Anywhere: []string{"a"}}},
		"found by both":        {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(b{<<.LabelMatchers>>} * on(pod) a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, within("a", "b")},
		"found by either":      {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(b{<<.LabelMatchers>>} or a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{"a", "b"}, Anywhere: []string{"a"}}},
		"found where not":      {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(b{<<.LabelMatchers>>} unless a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{"a", "b"}, Anywhere: []string{"a"}}},
		"filled":               {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum(b{<<.LabelMatchers>>} + on(pod) fill(0) a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{"a", "b"}, Anywhere: []string{"a"}}},
		"found among few":      {`{seriesQuery: 'a{pod!="",env="prod"}', resources: ` + pods + `, metricsQuery: 'sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{"a"}, Anywhere: []string{"a"}}},
		"… that are asked for": {`{seriesQuery: 'a{pod!="",env="prod"}', resources: ` + pods + `, metricsQuery: 'sum(a{<<.LabelMatchers>>,env="prod"}) by (<<.GroupBy>>)'}`, within("a")},
		"a label of the pod's": {`{seriesQuery: 'a{service!=""}', resources: {overrides: {namespace: {resource: namespace}, service: {resource: service}}}, metricsQuery: 'sum(a{namespace="<<.LabelValuesByName.namespace>>"}) by (<<.GroupBy>>)'}`, Names{Within: []string{"a"}, Anywhere: []string{"a"}}},
		"without a name":       {`{seriesQuery: 'a{pod!=""}', resources: ` + pods + `, metricsQuery: 'sum({<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, Names{Within: []string{".*"}, Anywhere: []string{"a"}}},
		"nodes":                {`{seriesQuery: 'a{node!=""}', resources: {overrides: {node: {resource: node}}}, metricsQuery: 'sum(a{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`, anywhere("a")},
	} {
		t.Run(name, func(t *testing.T) { namesWithin(t, "rules", tc.rule, tc.want) })
	}
	for name, tc := range map[string]struct {
		rule string
		want Names
	}{
		"the namespace's":       {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) without (pod)'}`, within("a")},
		"everybody's":           {`{seriesQuery: 'a{pod!=""}', resources: {namespaced: false, overrides: {namespace: {resource: namespace}}}, metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) without (pod)'}`, anywhere("a")},
		"everybody's of one":    {`{seriesQuery: 'a{pod!=""}', resources: {namespaced: false}, metricsQuery: 'max(<<.Series>>{namespace="queue",<<.LabelMatchers>>}) without (pod)'}`, anywhere("a")},
		"by another label":      {`{seriesQuery: 'a{ns!=""}', resources: {overrides: {ns: {resource: namespace}}}, metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) without (pod)'}`, anywhere("a")},
		"something for nothing": {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) or vector(0)'}`, Names{Within: []string{"a"}, Anywhere: []string{"a"}}},
		"the value of nothing":  {`{seriesQuery: 'a{pod!="",env="prod"}', emptyValue: 0, resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}`, within("a")},
		"what is missing":       {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: 'absent(<<.Series>>{<<.LabelMatchers>>})'}`, Names{Within: []string{"a"}, Anywhere: []string{"a"}}},
		"a number beside it":    {`{seriesQuery: 'a{pod!=""}', resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: 'clamp_min(sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m:5s])) * 2, 1)'}`, within("a")},
	} {
		t.Run("external: "+name, func(t *testing.T) { namesWithin(t, "externalRules", tc.rule, tc.want) })
	}
}

func namesWithin(t *testing.T, section, text string, want Names) {
	t.Helper()
	set, err := Compile(fmt.Appendf(nil, "%s:\n- %s\n", section, text))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := set.All()[0].Names("a")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("known: %t, names (-want +got):\n%s", ok, diff)
	}
}

func TestNamesInWithin(t *testing.T) {
	for query, want := range map[string]struct {
		Names
		namespace string
	}{
		`max(a{namespace="x"})`:                                   {Names{Within: []string{"a"}}, "x"},
		`max(a{namespace="x"}) / sum(b{job="j",namespace=~"x"})`:  {Names{Within: []string{"a", "b"}}, "x"},
		`max({namespace="x"})`:                                    {Names{Within: []string{".*"}}, "x"},
		`max(a{namespace="x"}) / sum(b)`:                          {Names{Anywhere: []string{"a", "b"}}, ""},
		`sum(b) / max(a{namespace="x"})`:                          {Names{Anywhere: []string{"a", "b"}}, ""},
		`max(a{namespace="x"}) / sum(b{namespace="y"})`:           {Names{Anywhere: []string{"a", "b"}}, ""},
		`max(a{namespace=~"x|y"}) / sum(b{namespace!="x"})`:       {Names{Anywhere: []string{"a", "b"}}, ""},
		`max(a{namespace=""}) / sum(b{exported_namespace="x"})`:   {Names{Anywhere: []string{"a", "b"}}, ""},
		`max(a{namespace=~"x.*"}) / sum(b{namespace=~"(x|y)|x"})`: {Names{Anywhere: []string{"a", "b"}}, ""},
		`vector(1)`: {},
	} {
		got, namespace, ok := NamesIn(query)
		if diff := cmp.Diff(want.Names, got); !ok || diff != "" || namespace != want.namespace {
			t.Errorf("%s: known: %t, namespace %q, names (-want +got):\n%s", query, ok, namespace, diff)
		}
	}
}
