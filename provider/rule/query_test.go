package rule

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// one compiles a file with a single rule.
func one(t testing.TB, section, rule string) *Rule {
	t.Helper()
	set, err := Compile([]byte(section + ":\n- " + rule))
	if err != nil {
		t.Fatal(err)
	}
	return append(set.Custom, set.External...)[0]
}

func selector(t testing.TB, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Flow-style YAML keeps these rules to a line or two.
const (
	podRule = `{seriesQuery: 'x{pod!=""}', resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, deploy: {group: apps, resource: deployment}, node: {resource: node}}}, metricsQuery: %s}`
	extRule = `{seriesQuery: 'x{job!=""}', resources: {%s}, metricsQuery: %s}`
	nsOnly  = `overrides: {ns: {resource: namespaces}}`
	sumBy   = `'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'`
)

func TestQuery(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, tc := range map[string]struct {
		section, rule string
		in            QueryInput
		selector      string
		want          Query
	}{
		"one pod": {
			rule: fmt.Sprintf(podRule, sumBy),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "shop", Names: []string{"web-1"}},
			want: Query{PromQL: `sum(rate(x{namespace="shop",pod="web-1"}[2m])) by (pod)`, ObjectLabel: "pod", Range: true, Window: 2 * time.Minute},
		},
		"several pods, sorted, once, literal": {
			rule: fmt.Sprintf(podRule, sumBy),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "shop", Names: []string{"web.2", "web-1", "web.2"}},
			want: Query{PromQL: `sum(rate(x{namespace="shop",pod=~"web-1|web\\.2"}[2m])) by (pod)`, ObjectLabel: "pod", Range: true, Window: 2 * time.Minute},
		},
		"every pod": {
			rule: fmt.Sprintf(podRule, sumBy),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "shop"},
			want: Query{PromQL: `sum(rate(x{namespace="shop",pod!=""}[2m])) by (pod)`, ObjectLabel: "pod", Range: true, Window: 2 * time.Minute},
		},
		"selector by key, then namespace, then object": {
			rule:     fmt.Sprintf(podRule, sumBy),
			in:       QueryInput{Series: "x", Resource: deployments, Namespace: "shop", Names: []string{"web"}},
			selector: `verb=GET,code in (500,503),path!=a,zone notin (a.b),has,!hasnot`,
			want:     Query{PromQL: `sum(rate(x{code=~"500|503",has!="",hasnot="",path!="a",verb="GET",zone!~"a\\.b",namespace="shop",deploy="web"}[2m])) by (deploy)`, ObjectLabel: "deploy", Range: true, Window: 2 * time.Minute},
		},
		"a singular resource is the same": {
			rule: fmt.Sprintf(podRule, `'<<.Series>>{<<.LabelMatchers>>}'`),
			in:   QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "pod"}, Namespace: "shop", Names: []string{"a"}},
			want: Query{PromQL: `x{namespace="shop",pod="a"}`, ObjectLabel: "pod", Instant: true},
		},
		"a Namespace is named once": {
			rule: fmt.Sprintf(podRule, sumBy),
			in:   QueryInput{Series: "x", Resource: namespaces(), Namespace: "other", Names: []string{"shop"}},
			want: Query{PromQL: `sum(rate(x{namespace="shop"}[2m])) by (namespace)`, ObjectLabel: "namespace", Range: true, Window: 2 * time.Minute},
		},
		"a root-scoped object": {
			rule: fmt.Sprintf(podRule, sumBy),
			in:   QueryInput{Series: "x", Resource: schema.GroupResource{Resource: "nodes"}, Names: []string{"n1"}},
			want: Query{PromQL: `sum(rate(x{node="n1"}[2m])) by (node)`, ObjectLabel: "node", Range: true, Window: 2 * time.Minute},
		},
		"a label template, and labels that need quotes": {
			rule:     `{seriesQuery: 'x{job!=""}', resources: {template: "k8s.<<.Resource>>.name"}, metricsQuery: 'sum({__name__="<<.Series>>",<<.LabelMatchers>>}) by (<<.GroupBy>>)'}`,
			in:       QueryInput{Series: "http.server.requests", Resource: pods, Namespace: "shop", Names: []string{"a"}},
			selector: `app.kubernetes.io/name=web`,
			want:     Query{PromQL: `sum({__name__="http.server.requests","app.kubernetes.io/name"="web","k8s.namespace.name"="shop","k8s.pod.name"="a"}) by ("k8s.pod.name")`, ObjectLabel: "k8s.pod.name", Instant: true},
		},
		"external, namespaced": {
			section: "externalRules", rule: fmt.Sprintf(extRule, nsOnly, `'max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'`),
			in: QueryInput{Series: "x", Namespace: "shop"}, selector: "queue=q1",
			want: Query{PromQL: `max(x{queue="q1",ns="shop"}) by ()`, Instant: true},
		},
		"external, not namespaced": {
			section: "externalRules", rule: fmt.Sprintf(extRule, "namespaced: false", `'max(<<.Series>>{<<.LabelMatchers>>})'`),
			in:   QueryInput{Series: "x", Namespace: "shop"},
			want: Query{PromQL: `max(x{})`, Instant: true},
		},
		"both kinds of selector, longest window": {
			rule: fmt.Sprintf(podRule, `'sum by (<<.GroupBy>>) (rate(<<.Series>>{<<.LabelMatchers>>}[2m])) / sum by (<<.GroupBy>>) (max_over_time(y{<<.LabelMatchers>>}[1h:1m]))'`),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "shop", Names: []string{"a"}},
			want: Query{PromQL: `sum by (pod) (rate(x{namespace="shop",pod="a"}[2m])) / sum by (pod) (max_over_time(y{namespace="shop",pod="a"}[1h:1m]))`, ObjectLabel: "pod", Instant: true, Range: true, Window: time.Hour},
		},
		"values by name, in quotes of any kind": {
			rule: fmt.Sprintf(podRule, `"kube_info{<<.LabelMatchers>>} * on() group_left() spec{deployment='<<index .LabelValuesByName \"deploy\">>-base',ns=~'<<.LabelValuesByName.namespace>>'}"`),
			in:   QueryInput{Series: "x", Resource: deployments, Namespace: "shop", Names: []string{"we'b.1"}},
			want: Query{PromQL: `kube_info{deploy="we'b.1",namespace="shop"} * on () group_left () spec{deployment="we'b.1-base",ns=~"shop"}`, ObjectLabel: "deploy", Instant: true},
		},
		"several values by name are escaped and grouped": {
			rule: fmt.Sprintf(podRule, `'sum by (<<.GroupBy>>) (x{pod=~"<<index .LabelValuesByName "pod">>",host=~"<<index .LabelValuesByName "pod">>[.]local",<<.LabelMatchers>>})'`),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "s", Names: []string{"a.b", "c"}},
			want: Query{PromQL: `sum by (pod) (x{host=~"(?:a\\.b|c)[.]local",namespace="s",pod=~"a\\.b|c",pod=~"a\\.b|c"})`, ObjectLabel: "pod", Instant: true},
		},
		"every object by name": {
			rule: fmt.Sprintf(podRule, `'sum by (<<.GroupBy>>) (x{pod=~"<<index .LabelValuesByName "pod">>"})'`),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "s"},
			want: Query{PromQL: `sum by (pod) (x{pod=~".+"})`, ObjectLabel: "pod", Instant: true},
		},
		"a range over values, as kafka users write it": {
			section: "externalRules",
			rule:    fmt.Sprintf(extRule, nsOnly, `'sum(lag{<<range $key, $value := .LabelValuesByName>><<if ne $key "ns">><<$key>>="<<$value>>",<<end>><<end>>}) by (topic)'`),
			in:      QueryInput{Series: "lag", Namespace: "shop"}, selector: "group=g.1,topic=t",
			want: Query{PromQL: `sum by (topic) (lag{group="g.1",topic="t"})`, Instant: true},
		},
		"absent values are absent": {
			rule: fmt.Sprintf(podRule, `'sum by (<<.GroupBy>>) (<<.Series>>{<<if .LabelValuesByName.queue>>q="<<.LabelValuesByName.queue>>",<<end>><<.LabelMatchers>>})'`),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "s", Names: []string{"a"}},
			want: Query{PromQL: `sum by (pod) (x{namespace="s",pod="a"})`, ObjectLabel: "pod", Instant: true},
		},
		"label_replace takes values as text": {
			rule: fmt.Sprintf(podRule, `'sum by (<<.GroupBy>>) (label_replace(<<.Series>>{<<.LabelMatchers>>}, "a", "<<.LabelValuesByName.pod>>", "pod", "<<.LabelValuesByName.pod>>.*"))'`),
			in:   QueryInput{Series: "x", Resource: pods, Namespace: "s", Names: []string{"a.$1"}},
			want: Query{PromQL: `sum by (pod) (label_replace(x{namespace="s",pod="a.$1"}, "a", "a.$$1", "pod", "(?:a\\.\\$1).*"))`, ObjectLabel: "pod", Instant: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.section == "" {
				tc.section = "rules"
			}
			if tc.selector != "" {
				tc.in.Selector = selector(t, tc.selector)
			}
			got, err := one(t, tc.section, tc.rule).Query(cluster(), tc.in)
			if err != nil {
				t.Fatal(err)
			}
			got.Given, got.Expr = nil, nil // see TestGiven
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQueryErrors(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	plain := fmt.Sprintf(podRule, sumBy)
	ask := QueryInput{Series: "x", Resource: pods, Namespace: "s", Names: []string{"a"}}
	with := func(change func(*QueryInput)) QueryInput {
		in := ask
		change(&in)
		return in
	}
	for name, tc := range map[string]struct {
		section, rule string
		in            QueryInput
		mapper        Mapper
		want          string
		reason        metric.Reason
	}{
		"series name with PromQL in it": {
			rule: plain, in: with(func(in *QueryInput) { in.Series = `x{}) or vector(1)#` }),
			want: `rules[0].metricsQuery: the series name "x{}) or vector(1)#" cannot stand in a query`,
		},
		"dotted series outside quotes": {
			rule: plain, in: with(func(in *QueryInput) { in.Series = "http.requests" }),
			want: `rules[0].metricsQuery: renders to invalid PromQL: 1:14: parse error: unexpected character: '.': sum(rate(http.requests{namespace="s",pod="a"}[2m])) by (pod)`,
		},
		"greater than": {
			rule: plain, in: with(func(in *QueryInput) { in.Selector = selector(t, "size>5") }),
			want: `rules[0]: the metric label selector compares "size" by >, which PromQL cannot: use =, !=, in, notin or presence`, reason: metric.Invalid,
		},
		"less than": {
			rule: plain, in: with(func(in *QueryInput) { in.Selector = selector(t, "size<5") }),
			want: `rules[0]: the metric label selector compares "size" by <, which PromQL cannot: use =, !=, in, notin or presence`, reason: metric.Invalid,
		},
		"selects nothing": {
			rule: plain, in: with(func(in *QueryInput) { in.Selector = labels.Nothing() }),
			want: `rules[0]: the metric label selector selects nothing`, reason: metric.Invalid,
		},
		"nameless object": {
			rule: plain, in: with(func(in *QueryInput) { in.Names = []string{""} }),
			want: `rules[0]: "" cannot be the name of an object`,
		},
		"name that is not UTF-8": {
			rule: plain, in: with(func(in *QueryInput) { in.Names = []string{"\xff"} }),
			want: `rules[0]: "\xff" cannot be the name of an object`,
		},
		"unknown resource": {
			rule: plain, in: with(func(in *QueryInput) { in.Resource.Resource = "widgets" }),
			want: `rules[0]: the resource widgets cannot be found in the cluster: no matches for /, Resource=widgets`,
		},
		"resource without a label": {
			rule: plain, in: with(func(in *QueryInput) { in.Resource.Resource = "services" }),
			want: `rules[0].resources: no label is given for services: add to overrides LABEL: {group: "", resource: "services"}`,
		},
		"discovery fails": {
			rule: plain, in: ask, mapper: unreachable{fmt.Errorf("connection refused")},
			want: `rules[0]: the resource pods cannot be found in the cluster: connection refused`,
		},
		"no namespace": {
			section: "externalRules", rule: fmt.Sprintf(extRule, nsOnly, `'max(<<.Series>>{<<.LabelMatchers>>})'`), in: QueryInput{Series: "x"},
			want: `externalRules[0]: a read needs a namespace: give one, or set resources.namespaced: false`,
		},
		"a query that needs a selector": {
			section: "externalRules", rule: fmt.Sprintf(extRule, "namespaced: false", `'max(<<.Series>>{<<.LabelMatchers>>,a="b"})'`), in: QueryInput{Series: "x"},
			want: `externalRules[0].metricsQuery: renders to invalid PromQL: 1:7: parse error: unexpected "," in label matching, expected identifier or "}": max(x{,a="b"})`,
		},
		"aggregated away for this kind": {
			rule: fmt.Sprintf(podRule, `'sum by (node) (<<.Series>>{<<.LabelMatchers>>})'`), in: ask,
			want: `rules[0].metricsQuery: its result has no label pod, by which objects are told apart: aggregate with by (<<.GroupBy>>): sum by (node) (x{namespace="s",pod="a"})`,
		},
		"equality with several names": {
			rule: fmt.Sprintf(podRule, `'sum by (pod) (x{pod="<<index .LabelValuesByName "pod">>"})'`), in: with(func(in *QueryInput) { in.Names = []string{"a", "b"} }),
			want: `rules[0].metricsQuery: compares the label pod by = with a LabelValuesByName that can hold several values: write =~`,
		},
		"logic on values": {
			rule: fmt.Sprintf(podRule, `'sum by (pod) (x{pod=~"<<if eq .LabelValuesByName.pod "web">>w<<else>>v<<end>>"})'`), in: with(func(in *QueryInput) { in.Names = []string{"web"} }),
			want: `rules[0].metricsQuery: compares or transforms the values in LabelValuesByName: it may only print them, or test whether there are any`,
		},
		"a value that looks like our token": {
			rule: fmt.Sprintf(podRule, `'sum by (pod) (x{pod=~"<<.LabelValuesByName.pod>>"})'`), in: with(func(in *QueryInput) { in.Names = []string{"zzloadline0zz"} }),
			want: `rules[0].metricsQuery: the value "zzloadline0zz" of pod cannot be used here`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.section == "" {
				tc.section = "rules"
			}
			if tc.mapper == nil {
				tc.mapper = cluster()
			}
			got, err := one(t, tc.section, tc.rule).Query(tc.mapper, tc.in)
			if err == nil {
				t.Fatalf("no error but %+v", got)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got := metric.ReasonOf(err); got != tc.reason {
				t.Errorf("reason %q, want %q", got, tc.reason)
			}
		})
	}
}
