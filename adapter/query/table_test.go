package query

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// policyWith makes a policy with queries, each NAME=EXPR.
func policyWith(namespace, name string, age time.Duration, queries ...string) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(start.Add(-age))}}
	p.Spec.Objectives = []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{}}}
	for _, q := range queries {
		name, expr, _ := strings.Cut(q, "=")
		p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{Query: &v1alpha1.Query{Name: name, Expr: expr}})
	}
	return p
}

// fill returns a feed of a table with these policies, and the table.
func fill(t *testing.T, s query.Settings, policies ...*v1alpha1.AutoscalingPolicy) (*feed, *Table, *[]string) {
	t.Helper()
	news := &[]string{}
	table := New(s, func(ids []metric.Identifier) {
		for _, id := range ids {
			*news = append(*news, id.String())
		}
	}, nil)
	f := &feed{NewWatcher(nil, table)}
	var list []any
	for _, p := range policies {
		slim, err := f.Transformer()(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, slim)
	}
	if err := f.Replace(list, ""); err != nil {
		t.Fatal(err)
	}
	return f, table, news
}

// answer is what the table says: the query, or the reason and the message.
func answer(table *Table, namespace, name string) string {
	q, ok, err := table.Query(namespace, name)
	promQL, ok2, err2 := table.PromQL(namespace, name)
	switch {
	case ok != ok2 || fmt.Sprint(err) != fmt.Sprint(err2) || (q == nil) != (promQL == ""):
		return fmt.Sprintf("two answers: %v %v %v, %v %v %v", q, ok, err, promQL, ok2, err2)
	case !ok:
		return "not ours"
	case err != nil:
		return fmt.Sprintf("%s: %s", metric.ReasonOf(err), err)
	}
	rendered, err := q.Query(nil, rule.QueryInput{Selector: labels.Everything()})
	if err != nil || rendered.PromQL != promQL || rendered.MaxSeries != 1 {
		return fmt.Sprintf("%+v, %v", rendered, err)
	}
	return promQL
}

func TestTable(t *testing.T) {
	_, table, news := fill(t, query.Defaults(),
		policyWith("shop", "web", time.Hour, "lag=sum(lag)", `other=sum(lag{namespace="secret"})`),
		policyWith("secret", "web", time.Hour, "lag=max(lag)"),
		policyWith("shop", "a.b", time.Hour, "lag=min(lag)"),
		policyWith("shop", "twice", time.Hour, "x=sum(x)", "x=sum(y)"),
		policyWith("shop", "plain", time.Hour),
	)
	for name, test := range map[string]struct{ namespace, metric, want string }{
		"served":                      {"shop", "loadline-query.web.lag", `sum(lag{namespace="shop"})`},
		"the same name, elsewhere":    {"secret", "loadline-query.web.lag", `max(lag{namespace="secret"})`},
		"a policy with dots":          {"shop", "loadline-query.a.b.lag", `min(lag{namespace="shop"})`},
		"another namespace's":         {"secret", "loadline-query.a.b.lag", `undefined: the namespace "secret" has no AutoscalingPolicy "a.b" with a query "lag"`},
		"a namespace without any":     {"empty", "loadline-query.web.lag", `undefined: the namespace "empty" has no AutoscalingPolicy "web" with a query "lag"`},
		"no namespace":                {"", "loadline-query.web.lag", `undefined: the namespace "" has no AutoscalingPolicy "web" with a query "lag"`},
		"refused":                     {"shop", "loadline-query.web.other", `rule-failed: the query "other" of the AutoscalingPolicy "web" is refused: the matcher namespace="secret" excludes all that this query may read, which is namespace="shop": leave it out`},
		"two of one name":             {"shop", "loadline-query.twice.x", `rule-failed: the AutoscalingPolicy "twice" has two queries "x": give them different names`},
		"no such query":               {"shop", "loadline-query.web.nothing", `undefined: the namespace "shop" has no AutoscalingPolicy "web" with a query "nothing"`},
		"a policy without queries":    {"shop", "loadline-query.plain.x", `undefined: the namespace "shop" has no AutoscalingPolicy "plain" with a query "x"`},
		"no name of a query":          {"shop", "loadline-query.web", `undefined: "loadline-query.web" is not the name of a query: they are loadline-query.POLICY.NAME`},
		"a rule's":                    {"shop", "reminder_queue_depth", "not ours"},
		"the prefix without the last": {"shop", "loadline-query", "not ours"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, answer(table, test.namespace, test.metric)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if served, refused := table.Stats(); served != 3 || refused != 2 {
		t.Errorf("%d served, %d refused", served, refused)
	}
	if len(*news) != 5 {
		t.Errorf("news: %q", *news)
	}
}

func TestNotListed(t *testing.T) {
	const name = "loadline-query.web.lag"
	if got := answer(New(query.Defaults(), nil, nil), "shop", name); got != "pending: the AutoscalingPolicies are not listed yet" {
		t.Error(got)
	}
	off := query.Defaults()
	off.Enabled = false
	if got := answer(New(off, nil, nil), "shop", name); got != "rule-failed: queries of AutoscalingPolicies are switched off (--queries=false)" {
		t.Error(got)
	}
	if got := answer(New(off, nil, nil), "shop", "depth"); got != "not ours" {
		t.Error(got)
	}
}

// TestPerNamespace: beyond the limit, those of older policies come first, whatever the
// order in which they are heard of; what becomes free is taken.
func TestPerNamespace(t *testing.T) {
	s := query.Defaults()
	s.PerNamespace = 2
	young, old, same := policyWith("shop", "young", time.Minute, "x=sum(x)"), policyWith("shop", "old", time.Hour, "x=sum(x)"), policyWith("shop", "young2", time.Minute, "x=sum(y)")
	elsewhere := policyWith("other", "young3", 0, "x=sum(y)")
	f, table, news := fill(t, s, same, young)
	for _, p := range []*v1alpha1.AutoscalingPolicy{old, elsewhere} {
		if err := f.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for key := range want {
			namespace, policy, _ := strings.Cut(key, "/")
			got[key] = answer(table, namespace, query.MetricName(policy, "x"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	refused := "limit-reached: the policies of the namespace have more than 2 queries, and those of older policies come first: remove some, or ask for a higher --queries-per-namespace"
	check(map[string]string{
		"shop/old": `sum(x{namespace="shop"})`, "shop/young": `sum(x{namespace="shop"})`, "shop/young2": refused, "other/young3": `sum(y{namespace="other"})`,
	})
	*news = nil
	if err := f.Delete(old); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{
		"shop/old":   `undefined: the namespace "shop" has no AutoscalingPolicy "old" with a query "x"`,
		"shop/young": `sum(x{namespace="shop"})`, "shop/young2": `sum(y{namespace="shop"})`,
	})
	if diff := cmp.Diff([]string{"external/namespaces/shop/loadline-query.young2.x"}, *news); diff != "" {
		t.Error(diff)
	}
}

// TestBeyondTheLimit: what is not served is counted and explained, and is not kept as if
// it were.
func TestBeyondTheLimit(t *testing.T) {
	s := query.Defaults()
	s.PerNamespace = 3
	var all []*v1alpha1.AutoscalingPolicy
	for i := range 50 {
		all = append(all, policyWith("shop", fmt.Sprintf("p%02d", i), time.Duration(50-i)*time.Minute, "x=sum(x)", "y=sum(y)"))
	}
	f, table, _ := fill(t, s, all...)
	for range 2 {
		if served, refused := table.Stats(); served != 3 || refused != 97 || len(table.entries["shop"]) != 3 {
			t.Errorf("%d served, %d refused, %d entries", served, refused, len(table.entries["shop"]))
		}
		for name, want := range map[string]string{
			"p01.x": `sum(x{namespace="shop"})`,
			"p01.y": "limit-reached: ", "p49.x": "limit-reached: ", "p49.z": "undefined: ", "p50.x": "undefined: ",
		} {
			if got := answer(table, "shop", "loadline-query."+name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s", name, got)
			}
		}
		// One beyond the limit changes there and back.
		for _, p := range []*v1alpha1.AutoscalingPolicy{policyWith("shop", "p30", 20*time.Minute, "x=sum(z)"), all[30]} {
			if err := f.Update(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A policy that takes the name of an old one is as young as it is.
	if err := f.Update(policyWith("shop", "p00", 0, "x=sum(x)")); err != nil {
		t.Fatal(err)
	}
	if got := answer(table, "shop", "loadline-query.p00.x"); !strings.HasPrefix(got, "limit-reached: ") {
		t.Error(got)
	}
	if got := answer(table, "shop", "loadline-query.p01.y"); got != `sum(y{namespace="shop"})` {
		t.Error(got)
	}
}

func BenchmarkUpdateBeyondTheLimit(b *testing.B) {
	table := New(query.Defaults(), nil, nil)
	all := map[string]policy{}
	for i := range 10_000 {
		name := fmt.Sprint("p", i)
		all[name] = policyOf(policyWith("shop", name, time.Duration(i)*time.Second, "a=sum(a)", "b=sum(b)", "c=sum(c)", "d=sum(d)"))
	}
	table.replace(map[string]map[string]policy{"shop": all})
	young := [2]policy{policyOf(policyWith("shop", "p0", 0, "a=sum(a)")), policyOf(policyWith("shop", "p0", 0, "a=max(a)"))}
	for i := 0; b.Loop(); i++ {
		table.put("shop", "p0", young[i%2])
	}
}

// TestNews: what changed is evaluated anew, and nothing else.
func TestNews(t *testing.T) {
	f, table, news := fill(t, query.Defaults(), policyWith("shop", "web", time.Hour, "a=sum(a)", "b=sum(b)"))
	step := func(what string, p *v1alpha1.AutoscalingPolicy, do func(any) error, want ...string) {
		t.Helper()
		*news = nil
		if err := do(p); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *news); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	status := policyWith("shop", "web", time.Hour, "a=sum(a)", "b=sum(b)")
	status.Status.Metric = "42/50 requestRate"
	step("a status", status, f.Update)
	step("one expression", policyWith("shop", "web", time.Hour, "a=sum(a)", "b=max(b)"), f.Update, "external/namespaces/shop/loadline-query.web.b")
	step("one more", policyWith("shop", "web", time.Hour, "a=sum(a)", "b=max(b)", "c=sum(c)"), f.Update, "external/namespaces/shop/loadline-query.web.c")
	step("one less", policyWith("shop", "web", time.Hour, "a=sum(a)", "c=sum(c)"), f.Update)
	step("a policy without", policyWith("shop", "plain", time.Hour), f.Add)
	step("deleted", policyWith("shop", "web", time.Hour), f.Delete)
	step("deleted again", policyWith("shop", "web", time.Hour), f.Delete)
	if len(table.policies)+len(table.entries) != 0 {
		t.Errorf("what is gone is kept: %v, %v", table.policies, table.entries)
	}
	*news = nil
	if err := f.Replace([]any{policyWith("shop", "web", time.Hour, "a=sum(a)")}, ""); err != nil {
		t.Fatal(err)
	}
	if err := f.Replace([]any{policyWith("other", "web", time.Hour, "a=sum(a)")}, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"external/namespaces/shop/loadline-query.web.a", "external/namespaces/other/loadline-query.web.a"}, *news); diff != "" {
		t.Error(diff)
	}
	if got := answer(table, "shop", "loadline-query.web.a"); !strings.HasPrefix(got, "undefined") {
		t.Error(got)
	}
}

// TestSelector: a read that picks among series is not answered with all of them.
func TestSelector(t *testing.T) {
	_, table, _ := fill(t, query.Defaults(), policyWith("shop", "web", time.Hour, "a=sum(a)"))
	q, _, err := table.Query("shop", "loadline-query.web.a")
	if err != nil {
		t.Fatal(err)
	}
	id := metric.Identifier{API: metric.External, Namespace: "shop", Metric: "loadline-query.web.a"}
	made := plan.Make([]plan.Want{{ID: id, Rule: q, MetricSelector: labels.SelectorFromSet(labels.Set{"x": "y"})}}, nil, plan.DefaultLimits())
	if err := made.Failed[id]; metric.ReasonOf(err) != metric.Invalid || !strings.Contains(err.Error(), `read without a selector: put "x=y" into its expression`) {
		t.Error(err)
	}
}

// TestCoverageIsConfined: what is asked after an outage, to judge a query's answer, is
// derived from the query and reads no more than it.
func TestCoverageIsConfined(t *testing.T) {
	_, table, _ := fill(t, query.Defaults(), policyWith("shop", "web", time.Hour, "a=sum(rate(a[5m])) / scalar(sum(b offset 1m)) + max_over_time(sum(c)[5m:1m])"))
	promQL, _, err := table.PromQL("shop", "loadline-query.web.a")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := rule.CoverageOf(promQL, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	compiled, problems := query.Defaults().Compile("shop", asked.PromQL)
	if len(problems) > 0 || compiled.PromQL != asked.PromQL {
		t.Errorf("%s\nis not confined: %s, %v", asked.PromQL, compiled.PromQL, problems)
	}
}

func TestPrefix(t *testing.T) {
	if metric.QueryPrefix != query.Prefix {
		t.Errorf("%q and %q", metric.QueryPrefix, query.Prefix)
	}
}

// Where there is nobody to ask, each query says so, and only queries do.
func TestWhatTheSourceDoesNotServe(t *testing.T) {
	table := New(query.Defaults(), nil, rule.NamedOutright)
	table.replace(map[string]map[string]policy{"shop": {"web": policyOf(policyWith("shop", "web", 0, "lag=sum(lag)", "all=count({pod!=\"\"})"))}})
	if got := answer(table, "shop", query.MetricName("web", "lag")); got != `sum(lag{namespace="shop"})` {
		t.Error(got)
	}
	got := answer(table, "shop", query.MetricName("web", "all"))
	if !strings.Contains(got, `the query "all" of the AutoscalingPolicy "web" is refused: {namespace="shop",pod!=""} does not write the names`) {
		t.Error(got)
	}
	if all := table.All(); len(all) != 1 {
		t.Errorf("asked for are %v", all)
	}
}

func TestRefused(t *testing.T) {
	why := metric.Errorf(metric.RuleFailed, "nobody to ask")
	table := Refused(why)
	if q, ok, err := table.Query("shop", "loadline-query.web.lag"); q != nil || !ok || !errors.Is(err, why) {
		t.Errorf("%v, %t, %v", q, ok, err)
	}
	if promQL, ok, err := table.PromQL("shop", "depth"); promQL != "" || ok || err != nil {
		t.Errorf("%q, %t, %v", promQL, ok, err)
	}
	if served, refused := table.Stats(); served != 0 || refused != 0 {
		t.Errorf("%d served, %d refused", served, refused)
	}
}
