package catalog

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// reloading runs a catalog of rules, and returns what replaces them.
func reloading(t *testing.T, s *scripted, rules *rule.Set) (*Catalog, func(*rule.Set)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := New(Options{Rules: rules, Source: s, Scopes: newCluster(), Interval: time.Hour, MaxAge: grace, Now: time.Now})
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait()
	return c, func(next *rule.Set) { c.Reload(ctx, next, nil) }
}

func named(t *testing.T, selector, query string) *rule.Set {
	t.Helper()
	set, err := rule.Compile([]byte("externalRules:\n- {seriesQuery: " + selector + ", name: {as: depth}, resources: {namespaced: false}, metricsQuery: '" + query + "'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Rules of the selectors that were there answer at once; what is no longer given is gone.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		c, reload := reloading(t, s, external(t, "a", "b"))
		reload(external(t, "b", "c"))
		want := map[string]string{"external/b": "externalRules[0] b", "external/c": "externalRules[1] c"}
		if diff := cmp.Diff(want, shape(c.current.Load())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// It goes on from there: the new selectors are followed, the old one is not.
		synctest.Wait()
		s.mu.Lock()
		s.calls = nil
		s.mu.Unlock()
		time.Sleep(2*time.Hour + time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls["a"] > 0 || s.calls["b"] == 0 || s.calls["c"] == 0 {
			t.Errorf("asked %v", s.calls)
		}
	})
}

// A name keeps its old meaning until it is known what the new rules give.
func TestReloadOfASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{hang: map[string]bool{"b": true}}
		c, reload := reloading(t, s, named(t, "a", "sum(<<.Series>>)"))
		done := make(chan struct{})
		go func() { defer close(done); reload(named(t, "b", "max(<<.Series>>)")) }()
		rendered := func() string {
			e, _ := c.External("depth")
			q, err := e.Rule.Query(nil, rule.QueryInput{Series: e.Series})
			if err != nil {
				t.Fatal(err)
			}
			return q.PromQL
		}
		time.Sleep(time.Second)
		if got := rendered(); got != "sum(a)" {
			t.Errorf("while the source hangs: %s", got)
		}
		<-done
		if got := rendered(); got != "sum(a)" {
			t.Errorf("while nothing is known of b: %s", got)
		}
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := rendered(); got != "max(b)" {
			t.Errorf("in the end: %s", got)
		}
	})
}

// What the old rules gave does not outlive grace, although the new ones never find
// anything out.
func TestReloadToWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: map[string]error{"b": &source.Error{Kind: source.Rejected, Text: "no"}}}
		c, reload := reloading(t, s, external(t, "a"))
		reload(external(t, "b"))
		if _, ok := c.External("a"); !ok {
			t.Error("gone at once")
		}
		if c.Trouble() == nil {
			t.Error("no trouble")
		}
		time.Sleep(grace + 2*time.Hour)
		synctest.Wait()
		if _, ok := c.External("a"); ok {
			t.Error("still there")
		}
	})
}

// No rules at all.
func TestReloadToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, reload := reloading(t, &scripted{}, external(t, "a"))
		reload(&rule.Set{})
		if got := shape(c.current.Load()); len(got) > 0 {
			t.Errorf("%v", got)
		}
		reload(external(t, "a"))
		if _, ok := c.External("a"); !ok {
			t.Error("not there again")
		}
	})
}

// A metric whose rule says what none means is there without any series, by its name, and
// whatever the source says.
func TestWhatIsThereWithoutSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, err := rule.Compile([]byte("externalRules:\n- {seriesQuery: 'depth{queue!=\"\"}', emptyValue: 0, name: {matches: '(.*)', as: 'queue_$1'}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}\n"))
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Rules: set, Source: &scripted{fail: map[string]error{set.External[0].SeriesSelector(): &source.Error{Kind: source.Rejected, Text: "no"}}}, Scopes: newCluster(), Interval: time.Hour, MaxAge: grace, Now: time.Now})
		there := func(when string) {
			t.Helper()
			if e, ok := c.External("queue_depth"); !ok || e.Series != "depth" {
				t.Errorf("%s: %+v", when, e)
			}
		}
		there("before the source was asked")
		c.Relist(t.Context())
		there("when it refuses")
		time.Sleep(2 * grace)
		c.Relist(t.Context())
		there("later")
	})
}

// The rules of usage need no discovery, and change with the file.
func TestReloadOfUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usage := func(window, query string) *rule.Set {
			set, err := rule.Compile([]byte("resourceRules: {window: " + window + ", memory: {nodeQuery: '" + query + "', resources: {template: <<.Resource>>}}}"))
			if err != nil {
				t.Fatal(err)
			}
			return set
		}
		ask := func(c *Catalog) (string, time.Duration) {
			nodes := schema.GroupResource{Resource: "nodes"}
			if _, ok := c.Usage(Name{Resource: nodes, Metric: metric.CPU}); ok {
				t.Error("CPU, of which the file says nothing")
			}
			e, ok := c.Usage(Name{Resource: nodes, Metric: metric.Memory})
			if !ok {
				return "", c.UsageWindow()
			}
			q, err := e.Rule.Query(newCluster(), rule.QueryInput{Resource: nodes, Names: []string{"n"}})
			if err != nil {
				t.Fatal(err)
			}
			return q.PromQL, c.UsageWindow()
		}
		s := &scripted{}
		c, reload := reloading(t, s, usage("1m", "x{<<.LabelMatchers>>}"))
		if q, w := ask(c); q != `x{node="n"}` || w != time.Minute {
			t.Errorf("%q, %s", q, w)
		}
		reload(usage("2m", "y{<<.LabelMatchers>>}"))
		if q, w := ask(c); q != `y{node="n"}` || w != 2*time.Minute {
			t.Errorf("another file: %q, %s", q, w)
		}
		reload(external(t, "a"))
		if q, w := ask(c); q != "" || w != 0 {
			t.Errorf("a file without: %q, %s", q, w)
		}
	})
}
