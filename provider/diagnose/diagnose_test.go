package diagnose_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/diagnose"
	"github.com/loadline/loadline/provider/source"
)

func list(t *testing.T, w *world, namespace string, options *metainternalversion.ListOptions) *v1alpha1.MetricList {
	t.Helper()
	all, err := diagnose.Storage{Describer: w.Describer}.List(request.WithNamespace(t.Context(), namespace), options)
	if err != nil {
		t.Fatal(err)
	}
	return all.(*v1alpha1.MetricList)
}

func get(t *testing.T, w *world, namespace, name string) (*v1alpha1.Metric, error) {
	t.Helper()
	m, err := diagnose.Storage{Describer: w.Describer}.Get(request.WithNamespace(t.Context(), namespace), name, nil)
	if err != nil {
		return nil, err
	}
	return m.(*v1alpha1.Metric), nil
}

func names(of *v1alpha1.MetricList) (all []string) {
	for _, m := range of.Items {
		all = append(all, m.Namespace+"/"+m.Name)
	}
	return all
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is said of a namespace's metrics, in testdata.
func TestMetrics(t *testing.T) {
	w := twoTenants(t)
	data, err := yaml.Marshal(list(t, w, "shop", nil))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "shop.yaml")
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(data)); diff != "" {
		t.Error(diff)
	}
}

// Of what another tenant wants, and has, nothing is said, however the two are asked about
// together, and however that fails.
func TestNothingOfOthers(t *testing.T) {
	for name, happens := range map[string]func(*backend){
		"answered": func(*backend) {},
		"refused, quoting": func(b *backend) {
			b.on, b.fails = "secret-ns", &source.Error{Kind: source.Rejected, Text: "many-to-many secret-pod", Quotes: true}
		},
		"unavailable, quoting": func(b *backend) {
			b.on, b.fails = "secret-ns", &source.Error{Kind: source.Unavailable, Text: "status 500: secret-pod", Quotes: true}
		},
		"refused everybody, quoting": func(b *backend) {
			b.on, b.fails = "depth{", &source.Error{Kind: source.Rejected, Text: `duplicate series [{owner="secret-ns"}]`, Quotes: true}
		},
		"answered everybody, with what is no number": func(b *backend) {
			b.has = append(b.has, sample("depth", math.NaN(), "queue", "secret-queue", "owner", "secret-ns"))
		},
		"answered with warnings":         func(b *backend) { b.on, b.remark = "secret-ns", []string{"the series of secret-pod are missing"} },
		"answered everybody, and warned": func(b *backend) { b.on, b.remark = "depth{", []string{"of secret-queue there are two"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := twoTenants(t)
			together := slices.ContainsFunc(w.source.asked, func(promQL string) bool {
				return strings.Contains(promQL, "shop") && strings.Contains(promQL, "secret-ns")
			})
			if !together {
				t.Fatalf("nothing is asked for both: %q", w.source.asked)
			}
			w.source.set(happens)
			w.evaluate(t)
			said := text(t, list(t, w, "shop", nil))
			for _, one := range list(t, w, "shop", nil).Items {
				m, err := get(t, w, "shop", one.Name)
				if err != nil {
					t.Fatal(err)
				}
				said += text(t, m)
			}
			if i := strings.Index(said, "secret"); i >= 0 {
				t.Errorf("it says …%s…", said[max(0, i-200):min(len(said), i+100)])
			}
			// And of its own it is said.
			if theirs := text(t, list(t, w, "secret-ns", nil)); !strings.Contains(theirs, "secret-hpa") || strings.Contains(theirs, "shop") {
				t.Errorf("to the other it says %s", theirs)
			}
		})
	}
}

// Of a metric that is not bound to the namespace it is said what is wrong all the same.
func TestProblemsOfAnywhere(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*backend)
		is      func(v1alpha1.Read) *v1alpha1.Problem
		want    v1alpha1.Problem
	}{
		"no number": {
			func(b *backend) { b.has = append(b.has, sample("depth", math.NaN(), "owner", "secret-ns")) },
			func(r v1alpha1.Read) *v1alpha1.Problem { return r.Problem },
			v1alpha1.Problem{Reason: "not-finite", Message: "a series: the value is NaN (often 0/0, a ratio without traffic): guard the query, for example with `and on() (denominator > 0)`"},
		},
		"refused": {
			func(b *backend) {
				b.on, b.fails = "depth{", &source.Error{Kind: source.Rejected, Text: "duplicate series", Quotes: true}
			},
			func(r v1alpha1.Read) *v1alpha1.Problem { return r.Failing },
			v1alpha1.Problem{Reason: "source-failed", Message: "externalRules[0]: query max(depth{}) by (queue, owner): source rejected: the log of the adapter has what it said"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := twoTenants(t)
			w.source.set(tc.happens)
			w.evaluate(t)
			m, err := get(t, w, "shop", "external:depth")
			if err != nil || len(m.Reads) != 1 || tc.is(m.Reads[0]) == nil {
				t.Fatalf("%v: %+v", err, m)
			}
			got := *tc.is(m.Reads[0])
			if got.Remedy == "" {
				t.Error("no remedy")
			}
			got.Remedy = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Of what the source says of its series the owner of an HPA reads that there is something.
func TestSeriesFail(t *testing.T) {
	w := twoTenants(t)
	w.source.set(func(b *backend) {
		b.unlisted = &source.Error{Kind: source.Incomplete, Text: "the source warns: store tenant secret", Quotes: true}
	})
	w.Catalog.Relist(t.Context())
	_, err := get(t, w, "shop", "pods:foo")
	want := `metrics.diagnostics.loadline.dev "pods:foo" not found: nobody wants it in the namespace, and nothing gives it: ` +
		`whether there is a metric "foo" is not known, for the source's series cannot be discovered: rules[0]: source incomplete: the log of the adapter has what it said`
	if !apierrors.IsNotFound(err) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	m, err := get(t, w, "shop", "pods:requests")
	if err != nil {
		t.Fatal(err)
	}
	found := &v1alpha1.Problem{Reason: "source-failed", Message: "source incomplete: the log of the adapter has what it said", Remedy: m.Rule.Discovery.Remedy}
	if diff := cmp.Diff(found, m.Rule.Discovery); diff != "" || len(m.Reads) != 1 || len(m.Reads[0].Values) != 2 || m.Reads[0].Problem != nil {
		t.Errorf("%+v\n%s", m.Reads, diff)
	}
}

// A list of all namespaces has each with what it says by itself.
func TestAllNamespaces(t *testing.T) {
	w := twoTenants(t)
	all := list(t, w, "", nil)
	want := []string{
		"secret-ns/external:depth", "secret-ns/external:lag", "secret-ns/nodes:requests", "secret-ns/pods:requests",
		"shop/external:depth", "shop/external:lag", "shop/external:loadline-query.web.lag", "shop/nodes:requests", "shop/pods:nothing", "shop/pods:ratio", "shop/pods:requests",
	}
	if diff := cmp.Diff(want, names(all)); diff != "" {
		t.Error(diff)
	}
	each := append(list(t, w, "secret-ns", nil).Items, list(t, w, "shop", nil).Items...)
	if diff := cmp.Diff(text(t, each), text(t, all.Items)); diff != "" {
		t.Error(diff)
	}
	if m := all.Items[2]; len(m.Reads) != 2 || len(m.Reads[0].HorizontalPodAutoscalers) != 1 || m.Reads[0].LastRead != nil {
		t.Errorf("of nodes: %+v", m.Reads)
	}
}

// What is said comes from memory.
func TestNobodyIsAsked(t *testing.T) {
	w := twoTenants(t)
	asked, sought := len(w.source.asked), w.source.sought
	list(t, w, "", nil)
	if _, err := get(t, w, "shop", "pods:unknown"); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	if len(w.source.asked) != asked || w.source.sought != sought {
		t.Errorf("the source was asked %q", w.source.asked[asked:])
	}
}

func TestGet(t *testing.T) {
	w := twoTenants(t)
	for name, want := range map[string]string{ // the rule and the number of reads, or the error
		"pods:requests":                   "rules[0] 1",
		"nodes:requests":                  "rules[0] 1",
		"namespaces:requests":             "rules[0] 0",
		"external:lag":                    "externalRules[1] 1",
		"external:loadline-query.web.lag": "policy web/lag 1",
		"pods:nothing":                    "undefined 1",
		"pods:other":                      `metrics.diagnostics.loadline.dev "pods:other" not found: nobody wants it in the namespace, and nothing gives it: no rule gives a metric "other" for pods`,
		"external:other":                  `metrics.diagnostics.loadline.dev "external:other" not found: nobody wants it in the namespace, and nothing gives it: no external rule gives`,
		"external:loadline-query.web.x":   `not found: nobody wants it in the namespace, and nothing gives it: the namespace "shop" has no such query`,
		"pods.metrics.k8s.io:cpu":         `not found: nobody wants it in the namespace, and nothing gives it: the configuration's resourceRules have no query for cpu of pods`,
		"requests":                        `not found: names are RESOURCE:METRIC`,
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			m, err := get(t, w, "shop", name)
			switch {
			case err != nil:
				got = err.Error()
				if !apierrors.IsNotFound(err) {
					t.Errorf("%v is no 404", err)
				}
			case m.Rule == nil:
				got = fmt.Sprint(m.Problem.Reason, " ", len(m.Reads))
			case m.Rule.Policy != "":
				got = fmt.Sprintf("policy %s/%s %d", m.Rule.Policy, m.Rule.Query, len(m.Reads))
			default:
				got = fmt.Sprint(m.Rule.ID, " ", len(m.Reads))
			}
			if !strings.Contains(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// What becomes of a read while the source is away, and when it is back.
func TestProblems(t *testing.T) {
	w := twoTenants(t)
	of := func(name string) v1alpha1.Read {
		m, err := get(t, w, "shop", name)
		if err != nil || len(m.Reads) == 0 {
			t.Fatalf("%v: %+v", err, m)
		}
		return m.Reads[0]
	}
	reason := func(p *v1alpha1.Problem) string {
		if p == nil {
			return ""
		}
		if p.Remedy == "" || p.Message == "" {
			t.Errorf("%+v says not what to do", p)
		}
		return p.Reason
	}
	check := func(when, name, problem, failing string, values int) {
		t.Helper()
		r := of(name)
		if reason(r.Problem) != problem || reason(r.Failing) != failing || len(r.Values) != values {
			t.Errorf("%s, %s: problem %+v, failing %+v, values %+v", when, name, r.Problem, r.Failing, r.Values)
		}
	}
	check("at first", "pods:requests", "", "", 2)
	check("at first", "pods:ratio", "absent", "", 0)
	check("at first", "pods:nothing", "undefined", "", 0)
	w.source.set(func(b *backend) { b.fails = &source.Error{Kind: source.Unavailable, Text: "connection refused"} })
	w.evaluate(t)
	check("away", "pods:requests", "", "source-failed", 2)
	w.now = w.now.Add(time.Minute)
	check("away for long", "pods:requests", "stale", "", 0)

	w = twoTenants(t)
	w.source.set(func(b *backend) { b.has[0].value = math.NaN() })
	w.evaluate(t)
	check("NaN", "pods:requests", "", "", 2)
	if r := of("pods:requests"); r.Values[1].Problem != nil || r.Values[0].Problem == nil || r.Values[0].Problem.Reason != "not-finite" || r.Values[0].Value != nil {
		t.Errorf("values: %+v", r.Values)
	}
	w.want(t, "shop/new", pods("shop", "ratio"), external("shop", "lag", "topic=other"))
	m, err := get(t, w, "shop", "external:lag")
	if err != nil || len(m.Reads) != 2 || reason(m.Reads[1].Problem) != "pending" || m.Reads[1].PromQL == "" {
		t.Errorf("%v: %+v", err, m)
	}
}

// Of more values than an answer has, those with a problem are not left out, and are not counted
// as values.
func TestValuesWithProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		bad         int   // of 150
		shown, rest int32 // without problems
		count       int64 // in the table
	}{
		"none": {0, 100, 50, 150},
		"two":  {2, 98, 50, 148},
		"more than are shown, of which nobody knows the rest": {120, 0, 50, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.objects["shop"] = nil
			var want []string
			for i := range 150 {
				pod, value := fmt.Sprintf("web-%03d", i), 1.0
				if i >= 150-tc.bad {
					value = math.NaN()
					want = append(want, pod)
				}
				w.objects["shop"] = append(w.objects["shop"], pod)
				w.source.has = append(w.source.has, sample("requests", value, "namespace", "shop", "pod", pod))
			}
			for i := range tc.shown {
				want = append(want, fmt.Sprintf("web-%03d", i))
			}
			w.want(t, "shop/web", pods("shop", "requests"))
			w.evaluate(t)
			m, err := get(t, w, "shop", "pods:requests")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, v := range m.Reads[0].Values {
				got = append(got, v.Object)
				if (v.Problem != nil) != (i < tc.bad) {
					t.Errorf("%d: %+v", i, v)
				}
			}
			if diff := cmp.Diff(want[:100], got); diff != "" || m.Reads[0].OmittedValues != tc.rest {
				t.Errorf("%d more\n%s", m.Reads[0].OmittedValues, diff)
			}
			table, err := diagnose.Storage{}.ConvertToTable(t.Context(), m, nil)
			if err != nil || table.Rows[0].Cells[4] != tc.count {
				t.Errorf("%v: %+v, want %d values", err, table, tc.count)
			}
		})
	}
}

// An answer is bounded, and says what it leaves out.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.objects["shop"] = nil
	for i := range 250 {
		name := fmt.Sprintf("web-%03d", i)
		w.objects["shop"] = append(w.objects["shop"], name)
		w.source.has = append(w.source.has, sample("requests", 1, "namespace", "shop", "pod", name))
	}
	for i := range 120 {
		w.want(t, fmt.Sprintf("shop/hpa-%03d", i), pods("shop", "requests"), external("shop", "lag", fmt.Sprintf("topic!=t%03d", i)))
	}
	w.source.has = append(w.source.has, sample("lag", 1, "namespace", "shop", "topic", strings.Repeat("x", 20_000)))
	w.evaluate(t)
	m, err := get(t, w, "shop", "pods:requests")
	if err != nil {
		t.Fatal(err)
	}
	r := m.Reads[0]
	if len(r.Values) != 100 || r.OmittedValues != 150 || len(r.HorizontalPodAutoscalers) != 100 || r.OmittedHorizontalPodAutoscalers != 20 || *r.Objects != 250 {
		t.Errorf("%d values and %d more, %d HPAs and %d more, of %d objects", len(r.Values), r.OmittedValues, len(r.HorizontalPodAutoscalers), r.OmittedHorizontalPodAutoscalers, *r.Objects)
	}
	if len(r.PromQL) > 1010 || !strings.HasSuffix(r.PromQL, "…") {
		t.Errorf("%d bytes of PromQL", len(r.PromQL))
	}
	if m, err = get(t, w, "shop", "external:lag"); err != nil || len(m.Reads)+int(m.OmittedReads) != 120 || m.OmittedReads < 20 {
		t.Errorf("%v: %d reads and %d more", err, len(m.Reads), m.OmittedReads)
	}
	if size := len(text(t, m)); size > 1<<20 {
		t.Errorf("%d bytes", size)
	}
}

// A list goes on where the last page ended, and misses nothing that stays.
func TestPages(t *testing.T) {
	w := twoTenants(t)
	for name, limit := range map[string]int64{"one by one": 1, "three at once": 3, "exactly all": 11, "all": 0} {
		t.Run(name, func(t *testing.T) {
			var got []string
			options := &metainternalversion.ListOptions{Limit: limit}
			for range 20 {
				page := list(t, w, "", options)
				if limit > 0 && len(page.Items) > int(limit) {
					t.Errorf("%d on a page", len(page.Items))
				}
				got = append(got, names(page)...)
				if options.Continue = page.Continue; options.Continue == "" {
					break
				}
			}
			if diff := cmp.Diff(names(list(t, w, "", nil)), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a place that is gone", func(t *testing.T) {
		at := list(t, w, "shop", &metainternalversion.ListOptions{Limit: 4}).Continue // behind nodes:requests
		w.want(t, "shop/web", pods("shop", "requests"))
		want := []string{"shop/pods:requests"}
		if diff := cmp.Diff(want, names(list(t, w, "shop", &metainternalversion.ListOptions{Continue: at}))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("no place", func(t *testing.T) {
		for _, place := range []string{"x", "eA"} {
			_, err := diagnose.Storage{Describer: w.Describer}.List(t.Context(), &metainternalversion.ListOptions{Continue: place})
			if !apierrors.IsBadRequest(err) {
				t.Errorf("%s: %v", place, err)
			}
		}
	})
	t.Run("no more than 500", func(t *testing.T) {
		w := newWorld(t)
		for i := range 501 {
			w.want(t, fmt.Sprint("shop/web", i), external("shop", fmt.Sprintf("none-%03d", i), ""))
		}
		for _, limit := range []int64{0, 600} {
			first := list(t, w, "shop", &metainternalversion.ListOptions{Limit: limit})
			second := list(t, w, "shop", &metainternalversion.ListOptions{Limit: limit, Continue: first.Continue})
			want := []string{"shop/external:none-500"}
			if diff := cmp.Diff(want, names(second)); diff != "" || len(first.Items) != 500 || second.Continue != "" {
				t.Errorf("limit %d: %d, then %s", limit, len(first.Items), diff)
			}
		}
	})
	t.Run("by size", func(t *testing.T) {
		w := newWorld(t)
		var want []string
		for i := range 15 { // each of 400 KB about
			namespace := fmt.Sprintf("ns-%02d", i)
			want = append(want, namespace+"/external:lag")
			w.want(t, namespace+"/web", external(namespace, "lag", ""))
			for j := range 80 {
				w.source.has = append(w.source.has, sample("lag", 1, "namespace", namespace, "topic", fmt.Sprint(j, strings.Repeat("x", 5000))))
			}
		}
		w.evaluate(t)
		first := list(t, w, "", nil)
		second := list(t, w, "", &metainternalversion.ListOptions{Continue: first.Continue})
		if diff := cmp.Diff(want, append(names(first), names(second)...)); diff != "" || second.Continue != "" {
			t.Errorf("continue %q, %s", second.Continue, diff)
		}
		const most = 4<<20 + 512<<10
		if size := len(text(t, first)); size > most || size < 4<<20 || len(second.Items) < 3 {
			t.Errorf("%d bytes of %d, and %d more", size, len(first.Items), len(second.Items))
		}
	})
	t.Run("by time", func(t *testing.T) {
		w := newWorld(t)
		slow := &slowDemand{w: w}
		w.Demand = slow
		for i := range 3 {
			w.want(t, "shop/web"+fmt.Sprint(i), external("shop", fmt.Sprint("none", i), ""))
		}
		slow.each = time.Second
		page := list(t, w, "shop", nil)
		if len(page.Items) != 1 || page.Continue == "" {
			t.Errorf("%q, continue %q", names(page), page.Continue)
		}
	})
}

// slowDemand takes its time.
type slowDemand struct {
	w    *world
	each time.Duration
}

func (s *slowDemand) In(namespace string) []demand.Want {
	s.w.now = s.w.now.Add(2 * s.each)
	return s.w.demand.In(namespace)
}

func TestSelection(t *testing.T) {
	w := twoTenants(t)
	named, err := fields.ParseSelector("metadata.name=pods:requests")
	if err != nil {
		t.Fatal(err)
	}
	labelled, err := labels.Parse("a=b")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		options metainternalversion.ListOptions
		want    []string
	}{
		"by name":   {metainternalversion.ListOptions{FieldSelector: named}, []string{"shop/pods:requests"}},
		"by labels": {metainternalversion.ListOptions{LabelSelector: labelled}, nil},
	} {
		if diff := cmp.Diff(tc.want, names(list(t, w, "shop", &tc.options))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What kubectl get shows.
func TestTable(t *testing.T) {
	w := twoTenants(t)
	table, err := diagnose.Storage{Describer: w.Describer}.ConvertToTable(context.Background(), list(t, w, "shop", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range table.Rows {
		got = append(got, fmt.Sprint(r.Cells...))
		if len(r.Cells) != len(table.ColumnDefinitions) {
			t.Errorf("%d cells in %d columns", len(r.Cells), len(table.ColumnDefinitions))
		}
	}
	row := func(cells ...any) string { return fmt.Sprint(cells...) }
	want := []string{
		row("external:depth", "externalRules[0]", "default", "reads", int64(2), "4s", ""),
		row("external:lag", "externalRules[1]", "default", "worker", int64(1), "4s", ""),
		row("external:loadline-query.web.lag", "policy web", "default", "worker", int64(1), "4s", ""),
		row("nodes:requests", "rules[0]", "default", "web", int64(1), "4s", ""),
		row("pods:nothing", "<none>", "<none>", "web", int64(0), "<none>", "undefined"),
		row("pods:ratio", "rules[1]", "default", "web", int64(0), "4s", "absent"),
		row("pods:requests", "rules[0]", "default", "api, web", int64(2), "4s", ""),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := (diagnose.Storage{}).ConvertToTable(context.Background(), &metav1.Status{}, nil); err == nil {
		t.Error("a table of something else")
	}
}
