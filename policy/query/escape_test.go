package query

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// confining are the settings of the escape tests: a namespace and a cluster.
func confining(t testing.TB) Settings {
	s := Defaults()
	if err := (&matchersFlag{to: &s.Matchers}).Set(`cluster="eu"`); err != nil {
		t.Fatal(err)
	}
	return s
}

// escapes are ways to get at more than one's own namespace. Each is confined, or
// refused with these words.
func escapes() map[string]struct{ expr, refused string } {
	long := strings.Repeat("x", 257)
	return map[string]struct{ expr, refused string }{
		"nothing said":                          {`sum(depth)`, ""},
		"own namespace said":                    {`sum(depth{namespace="shop"})`, ""},
		"other namespace":                       {`sum(depth{namespace="secret"})`, `the matcher namespace="secret" excludes all that this query may read, which is namespace="shop": leave it out`},
		"not the own":                           {`sum(depth{namespace!="shop"})`, `the matcher namespace!="shop" excludes`},
		"any namespace":                         {`sum(depth{namespace=~".*"})`, ""},
		"some namespaces":                       {`sum(depth{namespace=~"shop|secret"})`, ""},
		"all but one":                           {`sum(depth{namespace!~"monitoring"})`, ""},
		"no namespace":                          {`sum(depth{namespace=""})`, `excludes`},
		"no namespace by a pattern":             {`sum(depth{namespace=~"|secret"})`, `excludes`},
		"twice":                                 {`sum(depth{namespace="shop",namespace="secret"})`, `excludes`},
		"twice, the own":                        {`sum(depth{namespace="shop",namespace=~"s.*"})`, ""},
		"quoted label":                          {`sum(depth{"namespace"="secret"})`, `excludes`},
		"escaped quote in a value":              {`sum(depth{queue="mail\"} or depth{namespace=\"secret"})`, ""},
		"raw quote":                             {"sum(depth{queue=~`mail|\"} or depth{`})", ""},
		"single quotes":                         {`sum(depth{namespace='secret'})`, `excludes`},
		"line break in a value":                 {`sum(depth{queue!="a\n} or depth{"})`, ""},
		"braces in a value":                     {`sum(depth{queue!="}"} ) + sum(depth{queue!="{"})`, ""},
		"comment":                               {"sum(depth # {namespace=\"shop\"}\n)", ""},
		"comment hides the end":                 {"sum(depth{queue=\"mail\"}) # or sum(depth)", ""},
		"other cluster":                         {`sum(depth{cluster="us"})`, `excludes`},
		"any cluster":                           {`sum(depth{cluster=~".+"})`, ""},
		"name as a matcher":                     {`sum({__name__="depth"})`, ""},
		"name as a pattern":                     {`sum({__name__=~"dep.*"})`, ""},
		"every series":                          {`count({__name__=~".+"})`, ""},
		"quoted name":                           {`sum({"depth"})`, ""},
		"quoted name and matchers":              {`sum({"depth",namespace=~".*"})`, ""},
		"no name":                               {`count({pod="a"})`, ""},
		"only a namespace":                      {`count({namespace=~"s.*"})`, ""},
		"series of another only":                {`sum(only_1)`, ""},
		"either side of an operator, left":      {`sum(depth) / sum(depth{pod="a"})`, ""},
		"either side of an operator, right":     {`sum(depth{pod="a"}) / sum(up)`, ""},
		"or":                                    {`depth{queue="none"} or sum(depth)`, ""},
		"or without a namespace":                {`sum(depth or on() vector(0))`, ""},
		"and":                                   {`sum(up and on(pod) depth)`, ""},
		"unless":                                {`sum(up unless on(pod) depth{namespace=~".*"} > 1000)`, ""},
		"group_left":                            {`sum(depth * on(pod) group_left(version) target_info)`, ""},
		"group_right":                           {`sum(target_info * on(pod) group_right() requests_total)`, ""},
		"parameter of topk":                     {`sum(topk(scalar(sum(up)), depth))`, ""},
		"parameter of bottomk":                  {`sum(bottomk(scalar(count(depth{namespace=~".*"})), requests_total))`, ""},
		"parameter of quantile":                 {`quantile(scalar(sum(up)) / 20, depth)`, ""},
		"parameter deep inside":                 {`sum(topk(scalar(sum(topk(scalar(count(up)), depth))), requests_total))`, ""},
		"count_values":                          {`sum(count_values("namespace", depth))`, ""},
		"aggregation by namespace":              {`sum by (namespace) (depth)`, ""},
		"aggregation without":                   {`sum without (pod, namespace) (depth)`, ""},
		"rate":                                  {`sum(rate(requests_total[5m]))`, ""},
		"rate of a pattern":                     {`sum(rate({__name__=~"requests.*",namespace=~".*"}[5m]))`, ""},
		"range with an offset":                  {`sum(increase(requests_total[10m] offset 30m))`, ""},
		"offset":                                {`sum(depth offset 1h)`, ""},
		"subquery":                              {`max_over_time(sum(rate(requests_total[5m]))[30m:1m])`, ""},
		"subquery in a subquery":                {`max_over_time(sum(max_over_time(sum(depth)[5m:1m]))[10m:1m])`, ""},
		"subquery with an offset":               {`max_over_time(sum(requests_total)[30m:1m] offset 30m)`, ""},
		"histogram_quantile":                    {`histogram_quantile(0.9, sum by (le) (rate(seconds_bucket[5m])))`, ""},
		"argument of histogram_quantile":        {`histogram_quantile(scalar(sum(up)) / 20, sum by (le) (rate(seconds_bucket[5m])))`, ""},
		"arguments of clamp":                    {`clamp(sum(up), scalar(sum(depth)), scalar(sum(requests_total)))`, ""},
		"argument of round":                     {`round(sum(requests_total), scalar(sum(depth)))`, ""},
		"argument of predict_linear":            {`sum(predict_linear(requests_total[5m], scalar(sum(depth))))`, ""},
		"argument of quantile_over_time":        {`sum(quantile_over_time(scalar(sum(up)) / 20, requests_total[5m]))`, ""},
		"argument of vector":                    {`vector(scalar(sum(depth)))`, ""},
		"scalar":                                {`scalar(sum(depth))`, ""},
		"absent":                                {`absent(only_1)`, ""},
		"absent of the other":                   {`absent(depth{namespace="secret"})`, `excludes`},
		"absent_over_time":                      {`absent_over_time(only_1[5m])`, ""},
		"present_over_time":                     {`present_over_time(only_1[5m]) or vector(0)`, ""},
		"timestamp":                             {`sum(timestamp(depth)) - time() * count(depth)`, ""},
		"label_replace makes another namespace": {`sum(label_replace(depth, "namespace", "secret", "pod", ".*"))`, ""},
		"label_join makes another namespace":    {`sum by (namespace) (label_join(up, "namespace", "-", "pod", "cluster"))`, ""},
		"unary":                                 {`-sum(-depth)`, ""},
		"parentheses":                           {`(((sum(((depth))))))`, ""},
		"comparison with bool":                  {`sum(depth > bool scalar(sum(up)))`, ""},
		"exported_namespace":                    {`count({exported_namespace="shop"}) or vector(0)`, ""},
		"series without a namespace":            {`sum(only_3)`, ""},
		"white space":                           {"\n\tsum\n(\ndepth\n{\n}\n)\n", ""},

		"info":                         {`sum(info(up))`, `the query cannot be read, 1:5: parse error: function "info" is not enabled`},
		"info with a selector":         {`sum(info(up, {__name__="target_info",namespace="secret"}))`, `"info" is not enabled`},
		"limitk":                       {`sum(limitk(scalar(sum(up)), depth))`, `limitk() is experimental`},
		"limit_ratio":                  {`sum(limit_ratio(0.5, depth))`, `limit_ratio() is experimental`},
		"fill":                         {`sum(depth + fill(0) up)`, `binop fill modifiers are experimental`},
		"anchored":                     {`sum(rate(requests_total[5m] anchored))`, `anchored modifier is experimental`},
		"smoothed":                     {`sum(depth smoothed)`, `smoothed modifier is experimental`},
		"range():":                     {`sum(rate(requests_total[range()]))`, `experimental duration`},
		"computed range":               {`sum(rate(requests_total[5m * 2]))`, `experimental duration`},
		"computed offset":              {`sum(depth offset (5m * 2))`, `experimental duration`},
		"trimmed histogram":            {`sum(depth </ 3)`, `the operator </ is not allowed in a query: write it without`},
		"@":                            {`sum(depth @ 0)`, `depth @ 0.000 is at a fixed time: write an offset`},
		"@ end()":                      {`sum(rate(requests_total[5m] @ end()))`, `is at a fixed time`},
		"@ of a subquery":              {`max_over_time(sum(depth)[5m:1m] @ start())`, `is at a fixed time`},
		"negative offset":              {`sum(depth offset -5m)`, `depth offset -5m looks into the future: write it without the minus`},
		"negative offset of subquery":  {`max_over_time(sum(depth)[5m:1m] offset -5m)`, `looks into the future`},
		"label of tenants":             {`sum(depth{__tenant_id__="1"})`, `the label __tenant_id__ is the source's own: write it without`},
		"label of another language":    {`sum({__graphite__="secret.*"})`, `the label __graphite__ is the source's own`},
		"label of shards":              {`sum(depth{"__query_shard__"="1_of_2"})`, `the label __query_shard__ is the source's own`},
		"or inside braces":             {`sum({namespace="shop" or namespace="secret"})`, `the query cannot be read`},
		"WITH":                         {`WITH (x = depth{namespace="secret"}) sum(x)`, `the query cannot be read`},
		"functions of other languages": {`sum(union(depth, up))`, `unknown function with name "union"`},
		"two queries":                  {"sum(depth)\nsum(up)", `the query cannot be read`},
		"parameter of a URL":           {`sum(depth)&query=sum(up)`, `the query cannot be read`},
		"NUL":                          {"sum(depth\x00)", `the query cannot be read`},
		"no UTF-8":                     {"sum(depth{queue=\"\xff\"})", `the query cannot be read`},
		"empty selector":               {`sum({})`, `the query cannot be read`},
		"selector that is empty":       {`sum({namespace=~".*"})`, `the query cannot be read`},
		"no selector":                  {`vector(1)`, `the query selects no series: name a metric; for what depends on the time alone there are schedules`},
		"time alone":                   {`hour()`, `the query selects no series`},
		"number":                       {`42`, `the query selects no series`},
		"text":                         {`"depth"`, `the query's result is a string, no number`},
		"range":                        {`depth[5m]`, `the query's result is a range, which is many values: put a function such as rate( ) or max_over_time( ) around it`},
		"long range":                   {`sum(rate(requests_total[2h]))`, `requests_total[2h] looks at a range, with those around it, of more than 1h0m0s: make the range shorter`},
		"ranges add up":                {`max_over_time(sum(rate(requests_total[40m]))[40m:1m])`, `requests_total[40m] looks at a range, with those around it, of more than 1h0m0s`},
		"huge range":                   {`sum(rate(requests_total[290y]))`, `of more than 1h0m0s`},
		"long offset":                  {`sum(depth offset 8d)`, `depth offset 8d has an offset, with those around it, of more than 168h0m0s: make the offset shorter`},
		"offsets add up":               {`max_over_time(sum(depth offset 4d)[5m:1m] offset 4d)`, `of more than 168h0m0s`},
		"huge offsets":                 {`max_over_time(sum(depth offset 290y)[5m:1m] offset 290y)`, `of more than 168h0m0s`},
		"no step":                      {`max_over_time(sum(depth)[30m:])`, `the subquery sum(depth)[30m:] has no step: write it after the colon, for example [30m:1m]`},
		"many steps":                   {`max_over_time(sum(depth)[30m:1s])`, `the subquery sum(depth)[30m:1s] has 1801 steps, with those around it, and 600 is the most: make the range shorter or the step longer`},
		"steps multiply":               {`max_over_time(sum(max_over_time(sum(depth)[25m:1m]))[30m:1m])`, `has 806 steps, with those around it`},
		"steps overflow":               {`max_over_time(sum(max_over_time(sum(max_over_time(sum(depth)[10y:1ms]))[10y:1ms]))[10y:1ms])`, `steps, with those around it`},
		"long pattern":                 {`sum(depth{queue=~"` + long + `"})`, `a matcher of queue has 257 bytes: 256 is the most`},
		"long string":                  {`sum(label_replace(depth, "x", "` + long + `", "pod", ".*"))`, `a string has 257 bytes: 256 is the most`},
		"many selectors":               {`sum(up)` + strings.Repeat(`+sum(up)`, 20), `the query has more than 20 selectors: a recording rule can do a part of it`},
		"deep":                         {strings.Repeat(`(`, 40) + `up` + strings.Repeat(`)`, 40), `the query is nested more than 30 deep: a recording rule can do a part of it`},
		"long":                         {`sum(up) + ` + strings.Repeat(" ", 2048), `the query has 2058 bytes: 2048 is the most; a recording rule can do a part of it`},
		"long when it is printed":      {`sum(up) + ` + sums(64), `the query cannot be confined safely, it has 20132 bytes when it is printed, and 16384 is the most: write it in a simpler way`},
	}
}

// sums adds n numbers up that take 309 digits each, without being deep.
func sums(n int) string {
	if n == 1 {
		return "1e308"
	}
	return "(" + sums(n/2) + "+" + sums(n-n/2) + ")"
}

// TestEscapes: each way is refused, or what is sent to the source has the enforced
// matchers on every selector, gives the same whether or not there are other
// namespaces, clusters and series without either, and is what the user's expression
// gives where there are none.
func TestEscapes(t *testing.T) {
	settings, engine, all := confining(t), newEngine(t), twoNamespaces()
	own := all.only("shop", "eu")
	confined, dangerous := 0, 0
	for name, test := range escapes() {
		t.Run(name, func(t *testing.T) {
			compiled, problems := settings.Compile("shop", test.expr)
			if test.refused != "" {
				said := func(p Problem) bool { return strings.Contains(p.Error(), test.refused) }
				if !slices.ContainsFunc(problems, said) || compiled != (Compiled{}) {
					t.Errorf("got  %q, %v\nwant %q", compiled.PromQL, problems, test.refused)
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			confined++
			everySelector(t, compiled.PromQL, `namespace="shop"`, `cluster="eu"`)
			got, err := evaluate(t, engine, all, compiled.PromQL)
			if err != nil {
				t.Fatalf("%s: %v", compiled.PromQL, err)
			}
			alone, err := evaluate(t, engine, own, compiled.PromQL)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(alone, got); diff != "" {
				t.Errorf("%s depends on others' series (-alone +among others):\n%s", compiled.PromQL, diff)
			}
			meant, err := evaluate(t, engine, own, test.expr)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(values(meant), values(got)); diff != "" {
				t.Errorf("%s does not mean what %s does (-meant +got):\n%s", compiled.PromQL, test.expr, diff)
			}
			if open, err := evaluate(t, engine, all, test.expr); err != nil || !slices.Equal(values(open), values(meant)) {
				dangerous++
			}
		})
	}
	// Else the test proves nothing: most expressions must give something else where
	// nobody confines them.
	if confined < 50 || dangerous < confined*3/4 {
		t.Errorf("of %d confined expressions %d read others' series without it", confined, dangerous)
	}
}

// everySelector fails the test where a selector lacks one of the matchers. It reads
// with everything switched on, as a source might.
func everySelector(t *testing.T, promQL string, matchers ...string) {
	t.Helper()
	everything := parser.NewParser(parser.Options{
		EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
	})
	tree, err := everything.ParseExpr(promQL)
	if err != nil {
		t.Fatalf("%s: %v", promQL, err)
	}
	found := 0
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found++
		for _, want := range matchers {
			if !slices.ContainsFunc(s.LabelMatchers, func(m *labels.Matcher) bool { return m.String() == want }) {
				t.Errorf("%s: the selector %s lacks %s", promQL, s, want)
			}
		}
		return nil
	})
	if found == 0 {
		t.Errorf("%s selects nothing", promQL)
	}
}

// TestCompile pins the printed form and what is said about its age.
func TestCompile(t *testing.T) {
	for name, test := range map[string]struct {
		expr string
		want Compiled
	}{
		"instant": {`sum(depth)`, Compiled{PromQL: `sum(depth{cluster="eu",namespace="shop"})`, Instant: true}},
		"what is there stays": {`sum(depth{namespace=~"s.*",queue="mail"})`,
			Compiled{PromQL: `sum(depth{cluster="eu",namespace="shop",namespace=~"s.*",queue="mail"})`, Instant: true}},
		"range": {`sum(rate(x[5m])) / sum(rate(y[1m] offset 1h))`,
			Compiled{PromQL: `sum(rate(x{cluster="eu",namespace="shop"}[5m])) / sum(rate(y{cluster="eu",namespace="shop"}[1m] offset 1h))`, Range: true, Window: 5 * time.Minute}},
		"both": {`sum(x) / scalar(sum(rate(y[5m])))`,
			Compiled{PromQL: `sum(x{cluster="eu",namespace="shop"}) / scalar(sum(rate(y{cluster="eu",namespace="shop"}[5m])))`, Instant: true, Range: true, Window: 5 * time.Minute}},
		"subquery": {`max_over_time(sum(rate(x[5m]))[30m:1m])`,
			Compiled{PromQL: `max_over_time(sum(rate(x{cluster="eu",namespace="shop"}[5m]))[30m:1m])`, Range: true, Window: 30 * time.Minute}},
		"names in quotes": {`{"http.requests","a.b"="c"}`,
			Compiled{PromQL: `{"a.b"="c",__name__="http.requests",cluster="eu",namespace="shop"}`, Instant: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := confining(t).Compile("shop", test.expr)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoNamespace: there is no query that is not confined.
func TestNoNamespace(t *testing.T) {
	unlabelled, off := Defaults(), Defaults()
	unlabelled.NamespaceLabel, off.Enabled = "", false
	for name, test := range map[string]struct {
		settings  Settings
		namespace string
		want      string
	}{
		"zero settings":  {Settings{}, "shop", "queries are switched off in this cluster (--queries=false): use an objective external with a metric that a rule gives"},
		"switched off":   {off, "shop", "queries are switched off in this cluster (--queries=false): use an objective external with a metric that a rule gives"},
		"no label":       {unlabelled, "shop", `a query cannot be confined to the namespace "shop" by the label ""`},
		"no namespace":   {Defaults(), "", `a query cannot be confined to the namespace "" by the label "namespace"`},
		"no such name":   {Defaults(), `shop"} or x{a="`, `a query cannot be confined to the namespace "shop\"} or x{a=\"" by the label "namespace"`},
		"not of one":     {Defaults(), "shop.secret", `a query cannot be confined to the namespace "shop.secret" by the label "namespace"`},
		"with a newline": {Defaults(), "shop\n", `a query cannot be confined to the namespace "shop\n" by the label "namespace"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := test.settings.Compile(test.namespace, "sum(up)")
			if got != (Compiled{}) || len(problems) != 1 || problems[0].Error() != test.want {
				t.Errorf("got  %v, %v\nwant %s", got, problems, test.want)
			}
		})
	}
}

// TestManyProblems: all of an expression's problems are said, within reason.
func TestManyProblems(t *testing.T) {
	_, problems := Defaults().Compile("shop", `rate(a[2h]) + b offset -1m + c @ 3 + d{__x__="1"} + e{namespace="secret"} + f offset -2m + rate(a[2h])`)
	var got []string
	for _, p := range problems {
		got = append(got, p.Message)
	}
	want := []string{
		"a[2h] looks at a range, with those around it, of more than 1h0m0s",
		"b offset -1m looks into the future",
		"c @ 3.000 is at a fixed time",
		"the label __x__ is the source's own",
		`the matcher namespace="secret" excludes all that this query may read, which is namespace="shop"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	texts := Defaults().Check("shop", `a offset -1m + b[5m:]`)
	if diff := cmp.Diff([]string{"the query cannot be read, 1:16: parse error: binary expression must contain only scalar and instant vector types: write an expression of PromQL without experimental parts"}, texts); diff != "" {
		t.Error(diff)
	}
	if texts := Defaults().Check("shop", "sum(a)"); texts != nil {
		t.Error(texts)
	}
}
