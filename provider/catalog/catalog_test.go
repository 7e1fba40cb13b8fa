package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const grace = time.Hour

// cluster is a real REST mapper with scopes.
type cluster struct{ *meta.DefaultRESTMapper }

func newCluster() cluster {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	return cluster{m}
}

func (cluster) Namespaced(gr schema.GroupResource) (bool, error) {
	return gr.Resource == "pods", nil
}

// Three rules that can give one name, two of them by one selector.
const rules = `
rules:
- seriesQuery: 'first'
  resources: {template: "<<.Resource>>"}
  name: {matches: ".*", as: "rate"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: 'second'
  resources: {template: "<<.Resource>>"}
  name: {matches: ".*", as: "rate"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: 'first'
  resources: {namespaced: false}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'
`

func compile(t *testing.T) *rule.Set {
	t.Helper()
	set, err := rule.Compile([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var labelled = []string{"namespace", "node", "pod"}

func series(names ...string) []source.Series {
	var out []source.Series
	for _, n := range names {
		out = append(out, source.Series{Name: n, Labels: labelled})
	}
	return out
}

// shape is a snapshot in short: "resource/metric" → "rule series".
func shape(s *snapshot) map[string]string {
	out := map[string]string{}
	for n, e := range s.custom {
		scope := ""
		if e.Namespaced {
			scope = " namespaced"
		}
		out[n.Resource.String()+"/"+n.Metric] = e.Rule.ID() + " " + e.Series + scope
	}
	for n, e := range s.external {
		out["external/"+n] = e.Rule.ID() + " " + e.Series
	}
	return out
}

func resolved(scopes Scopes, findings []*finding) []*finding {
	for _, f := range findings {
		f.resolve(scopes)
	}
	return findings
}

func TestBuild(t *testing.T) {
	set := compile(t)
	first, second, external := set.Custom[0], set.Custom[1], set.External[0]
	away := errors.New("away")
	bySecond := map[string]string{"namespaces/rate": "rules[1] s2", "nodes/rate": "rules[1] s2", "pods/rate": "rules[1] s2 namespaced"}
	byFirst := map[string]string{"namespaces/rate": "rules[0] s1", "nodes/rate": "rules[0] s1", "pods/rate": "rules[0] s1 namespaced"}
	for name, tc := range map[string]struct {
		before, after []*finding
		apart         time.Duration // of two builds with what is found after
		want          map[string]string
		conflicts     []string
	}{
		"nothing": {want: map[string]string{}},
		"all that the labels name": {
			after: []*finding{{rule: first, series: series("s1")}, {rule: external, series: series("depth")}},
			want: map[string]string{
				"namespaces/rate": "rules[0] s1", "nodes/rate": "rules[0] s1", "pods/rate": "rules[0] s1 namespaced", "external/depth": "externalRules[0] depth",
			},
		},
		"a pod without its namespace is not told apart": {
			after: []*finding{{rule: first, series: []source.Series{{Name: "s1", Labels: []string{"node", "pod"}}}}},
			want:  map[string]string{"nodes/rate": "rules[0] s1"},
		},
		"the later rule wins, and it is said": {
			after: []*finding{{rule: first, series: series("s1")}, {rule: second, series: series("s2")}}, want: bySecond,
			conflicts: []string{
				"metric rate for namespaces: rules[1] (series s2) hides rules[0] (series s1): give one of them another name.as",
				"metric rate for nodes: rules[1] (series s2) hides rules[0] (series s1): give one of them another name.as",
				"metric rate for pods: rules[1] (series s2) hides rules[0] (series s1): give one of them another name.as",
			},
		},
		"the first series of a rule wins, whatever their order": {
			after: []*finding{{rule: external, series: []source.Series{{Name: "b"}, {Name: "a"}}}, {rule: first, series: []source.Series{{Name: "b", Labels: []string{"node"}}, {Name: "a", Labels: []string{"node"}}}}},
			want:  map[string]string{"nodes/rate": "rules[0] a", "external/a": "externalRules[0] a", "external/b": "externalRules[0] b"},
			conflicts: []string{
				"metric rate for nodes: rules[0] (series a) hides rules[0] (series b): give one of them another name.as",
			},
		},
		"a failing rule keeps its names however long": {
			before: []*finding{{rule: first, series: series("s1")}}, after: []*finding{{rule: first, err: away}}, apart: 100 * grace, want: byFirst,
		},
		"and goes on hiding those of earlier rules": {
			before: []*finding{{rule: first, series: series("s1")}, {rule: second, series: series("s2")}},
			after:  []*finding{{rule: first, series: series("s1")}, {rule: second, err: away}}, want: bySecond,
		},
		"but not those of later ones": {
			before: []*finding{{rule: first, series: series("s1")}, {rule: second}},
			after:  []*finding{{rule: first, err: away}, {rule: second, series: series("s2")}}, want: bySecond,
		},
		"a name stays for the grace": {
			before: []*finding{{rule: first, series: series("s1")}}, after: []*finding{{rule: first}}, apart: grace, want: byFirst,
		},
		"an incomplete answer takes none away, and changes no meaning": {
			before: []*finding{{rule: external, series: []source.Series{{Name: "a"}, {Name: "b"}}}, {rule: first, series: []source.Series{{Name: "a", Labels: []string{"node"}}}}},
			after: []*finding{
				{rule: external, series: []source.Series{{Name: "b"}, {Name: "c"}}, err: &source.Error{Kind: source.Incomplete}},
				{rule: first, series: []source.Series{{Name: "b", Labels: []string{"node"}}}, err: &source.Error{Kind: source.Incomplete}},
			},
			apart: 100 * grace, want: map[string]string{"nodes/rate": "rules[0] a", "external/a": "externalRules[0] a", "external/b": "externalRules[0] b", "external/c": "externalRules[0] c"},
		},
		"and not longer": {
			before: []*finding{{rule: first, series: series("s1")}}, after: []*finding{{rule: first}}, apart: grace + 1, want: map[string]string{},
		},
		"a rule that is gone takes its names along after the grace": {
			before: []*finding{{rule: second, series: series("s2")}}, after: []*finding{{rule: first, series: series("s1")}}, apart: grace + 1, want: byFirst,
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			before := build(nil, resolved(newCluster(), tc.before), start, grace)
			long := start.Add(1000 * grace) // that it was seen long ago takes no name away
			missed := build(before, resolved(newCluster(), tc.after), long, grace)
			got := build(missed, tc.after, long.Add(tc.apart), grace)
			if diff := cmp.Diff(tc.want, shape(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.conflicts, got.conflicts); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
		})
	}
}

// noScopes knows the resources and not their scopes, as during an outage.
type noScopes struct{ cluster }

func (noScopes) Namespaced(schema.GroupResource) (bool, error) {
	return false, errors.New("discovery is away")
}

func TestBuildSaysWhatItCannotLookUp(t *testing.T) {
	findings := []*finding{{rule: compile(t).Custom[0], series: []source.Series{{Name: "s1", Labels: []string{"node"}}}}}
	got := build(nil, resolved(noScopes{newCluster()}, findings), time.Unix(0, 0), grace)
	want := map[string][]string{"rate": {"rules[0]: the scope of nodes: discovery is away"}}
	if diff := cmp.Diff(want, got.problems); diff != "" || len(got.custom) != 0 {
		t.Errorf("%v (-want +got):\n%s", got.custom, diff)
	}
}

// backend answers discoveries, counts them, and can be told to fail.
type backend struct {
	mu    sync.Mutex
	asked []string
	fail  map[string]bool
}

func (b *backend) Series(ctx context.Context, selectors []string, since time.Duration) ([]source.Series, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, strings.Join(selectors, ",")+" "+since.String())
	if b.fail[selectors[0]] {
		return nil, &source.Error{Kind: source.Unavailable, Text: "refused"}
	}
	return series(selectors[0]), nil
}

func (b *backend) set(fail ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = map[string]bool{}
	for _, f := range fail {
		b.fail[f] = true
	}
}

func (b *backend) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	slices.Sort(asked)
	return asked
}

func newCatalog(t *testing.T, b *backend) *Catalog {
	return New(Options{Rules: compile(t), Source: b, Scopes: newCluster(), Interval: 10 * time.Minute, MaxAge: grace, Now: time.Now})
}

func TestRelist(t *testing.T) {
	b := &backend{}
	c := newCatalog(t, b)
	if c.Stats() != (Stats{}) {
		t.Error("knows metrics before it asked")
	}
	c.Relist(t.Context())
	if diff := cmp.Diff([]string{"first 1h0m0s", "second 1h0m0s"}, b.take()); diff != "" {
		t.Errorf("one call a distinct selector (-want +got):\n%s", diff)
	}
	if e, ok := c.Custom(Name{Resource: schema.GroupResource{Resource: "pods"}, Metric: "rate"}); !ok || e.Series != "second" || !e.Namespaced {
		t.Errorf("%+v, %v", e, ok)
	}
	if e, ok := c.External("first"); !ok || e.Rule.ID() != "externalRules[0]" {
		t.Errorf("%+v, %v", e, ok)
	}
	b.set("second")
	c.Relist(t.Context())
	if diff := cmp.Diff(Stats{Custom: 3, External: 1, Conflicts: 3, Failed: 1}, c.Stats()); diff != "" {
		t.Errorf("rules fail alone (-want +got):\n%s", diff)
	}
}

func TestRelistCutOffChangesNothing(t *testing.T) {
	b := &backend{}
	c := newCatalog(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Relist(ctx)
	if isListed(c, "") {
		t.Error("counts as listed")
	}
}

func TestRunRelistsWhenItIsWorthIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		c := newCatalog(t, b)
		runCatalog(t.Context(), t, c)
		relists := func(d time.Duration) int {
			time.Sleep(d)
			synctest.Wait()
			return len(b.take()) / 2
		}
		if n := relists(9*time.Minute + 59*time.Second); n != 1 {
			t.Errorf("%d in the first interval", n)
		}
		if n := relists(2 * time.Second); n != 1 {
			t.Errorf("%d at its end", n)
		}
		c.Wake() // a second after a relist
		if n := relists(7 * time.Second); n != 0 {
			t.Errorf("%d sooner than the gap", n)
		}
		if n := relists(4 * time.Second); n != 1 {
			t.Errorf("%d after a wake", n)
		}
		// Whoever asks for metrics that do not exist costs one relist a gap.
		n := 0
		for range 600 {
			c.Wake()
			n += relists(100 * time.Millisecond)
		}
		if n < 5 || n > 6 {
			t.Errorf("%d in a minute of wakes", n)
		}
	})
}
