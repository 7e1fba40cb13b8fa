package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/rule"
)

// What is proved, and why the rest is not: a query, then what it is about all namespaces,
// or the reason. M stands for the matchers of a read of the pods p and q in namespace x.
func TestWiden(t *testing.T) {
	const m = `namespace="x",pod=~"p|q"`
	given := []rule.Given{{Label: "namespace", Values: []string{"x"}}, {Label: "pod", Values: []string{"p", "q"}, Objects: true}}
	external := []rule.Given{{Label: "queue", Values: []string{"mail"}}, {Label: "namespace", Values: []string{"x"}}}
	for name, tc := range map[string]struct {
		given  []rule.Given
		promQL string
		want   string
		why    string
	}{
		"the usual rate":           {given, `sum(rate(http_requests_total{` + m + `}[2m])) by (pod)`, `sum by (pod, namespace) (rate(http_requests_total[2m]))`, ""},
		"bare":                     {given, `depth{` + m + `}`, `depth`, ""},
		"other matchers stay":      {given, `depth{` + m + `,kind!="x",namespace!="y"}`, `depth{kind!="x",namespace!="y"}`, ""},
		"without":                  {given, `avg without (namespace, instance) (depth{` + m + `})`, `avg without (instance) (depth)`, ""},
		"a ratio":                  {given, `sum by (pod) (a{` + m + `}) / on (pod) sum by (pod) (b{` + m + `})`, `sum by (pod, namespace) (a) / on (pod, namespace) sum by (pod, namespace) (b)`, ""},
		"a ratio, ignoring":        {given, `a{` + m + `} / ignoring (namespace, code) b{` + m + `}`, `a / ignoring (code) b`, ""},
		"in percent":               {given, `100 * (1 - sum by (pod) (a{` + m + `}) / time())`, `100 * (1 - sum by (pod, namespace) (a) / time())`, ""},
		"a quantile of buckets":    {given, `histogram_quantile(0.9, sum by (pod, le) (rate(a_bucket{` + m + `}[1m])))`, `histogram_quantile(0.9, sum by (pod, le, namespace) (rate(a_bucket[1m])))`, ""},
		"a subquery":               {given, `max_over_time(sum by (pod) (a{` + m + `})[5m:1m] offset 1m)`, `max_over_time(sum by (pod, namespace) (a)[5m:1m] offset 1m)`, ""},
		"external":                 {external, `sum(depth{queue="mail",namespace="x"})`, `sum by (queue, namespace) (depth)`, ""},
		"external, grouped by one": {external, `sum by (queue) (depth{queue="mail",namespace="x"})`, `sum by (queue, namespace) (depth)`, ""},

		"a selector without":      {given, `sum by (pod) (a{` + m + `} * on (pod) group_left () b{pod=~"p|q"})`, "", "group_left and group_right are not on the list of what can be proved"},
		"a selector of all":       {given, `sum by (pod) (a{` + m + `} + on (pod) b{pod=~"p|q"})`, "", "the selector does not have the read's matcher for namespace"},
		"nothing but the read":    {given, `sum by (pod) ({` + m + `})`, "", "without the matchers of the read it selects every series"},
		"another namespace":       {given, `sum by (pod) (a{namespace="y",pod=~"p|q"})`, "", "the selector does not have the read's matcher for namespace"},
		"objects together":        {given, `a{` + m + `} / on (namespace) sum by (namespace) (a{` + m + `})`, "", "it puts objects together, for it drops their label pod"},
		"matched on what one has": {external, `sum by (namespace) (a{queue="mail",namespace="x"}) / b{queue="mail",namespace="x"}`, "", "the two sides are matched on queue, which only one of them has"},
		"topk":                    {given, `topk(3, a{` + m + `})`, "", "topk does not compute each group's value from its own elements, or is not on the list of what can be proved"},
		"count_values":            {given, `count_values("v", a{` + m + `})`, "", "count_values does not compute each group's value from its own elements, or is not on the list of what can be proved"},
		"or":                      {given, `sum by (pod) (a{` + m + `}) or vector(0)`, "", "or takes elements of one side for what the other side has none for, or is not on the list of what can be proved"},
		"scalar":                  {given, `a{` + m + `} / scalar(b{` + m + `})`, "", "the number is not constant"},
		"absent":                  {given, `absent(a{` + m + `})`, "", "the function absent is not on the list of what can be proved"},
		"label_replace":           {given, `label_replace(a{` + m + `}, "pod", "$1", "instance", "(.*)")`, "", "the function label_replace is not on the list of what can be proved"},
		"a fixed time":            {given, `a{` + m + `} @ 100`, "", "it is about a time of its own (@)"},
		"a number":                {given, `1`, "", "the result has no labels"},
		"info":                    {given, `info(a{` + m + `})`, "", "the function info is not on the list of what can be proved"},
		"a parameter of the data": {given, `quantile by (pod) (scalar(b{` + m + `}), a{` + m + `})`, "", "the parameter of quantile is not constant"},
		"a computed range":        {given, `rate(a{` + m + `}[1m * 2])`, "", "the range is computed"},
		"fill":                    {given, `a{` + m + `} + fill (0) b{` + m + `}`, "", "fill makes elements where there are none"},
		"nothing given":           {nil, `sum(a)`, "", "the read gives no label a value"},
		"one label twice":         {[]rule.Given{external[1], external[1]}, `a{namespace="x"}`, "", "the read gives two values to the label namespace"},
		"the name":                {[]rule.Given{{Label: "__name__", Values: []string{"a"}}}, `{__name__="a"}`, "", "the read gives a value to __name__, which functions drop"},
		"the bound of a bucket":   {[]rule.Given{{Label: "le", Values: []string{"1"}}}, `histogram_quantile(0.5, a{le="1"})`, "", "the read gives a value to le, by which buckets are told apart"},
		"hour":                    {given, `a{` + m + `} * hour()`, "", "the function hour is not on the list of what can be proved"},
		"an extended selector":    {given, `rate(a{` + m + `}[1m] anchored)`, "", "an extended range selector is not on the list of what can be proved"},
		"a histogram's trim":      {given, `a{` + m + `} </ 5`, "", "</ takes elements of one side for what the other side has none for, or is not on the list of what can be proved"},
	} {
		t.Run(name, func(t *testing.T) {
			expr, err := rule.NewParser().ParseExpr(tc.promQL)
			if err != nil {
				t.Fatal(err)
			}
			why := ""
			got, unproved := widen(expr, tc.given)
			if unproved != nil {
				why = unproved.Why
			}
			if diff := cmp.Diff([]string{tc.want, tc.why}, []string{got.promQL, why}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
