package catalog

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// ofSources has an external rule for each selector of each source, by the source's name;
// that without one comes first.
func ofSources(t *testing.T, selectors map[string][]string) *rule.Set {
	t.Helper()
	file, list := "externalRules:\n", "sources:\n"
	for _, name := range []string{"", "a", "b"} {
		of := ""
		if name != "" {
			of = ", source: " + name
			list += "- {name: " + name + ", url: http://" + name + "}\n"
		}
		for _, s := range selectors[name] {
			file += "- {seriesQuery: " + s + ", resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'" + of + "}\n"
		}
	}
	set, err := rule.Compile([]byte(list + file))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// silent is a source that accepts and never answers, in a minute each time.
type silent struct {
	mu     sync.Mutex
	asked  int
	asking int
	most   int // at once
}

func (s *silent) Series(ctx context.Context, _ []string, _ time.Duration) ([]source.Series, error) {
	s.mu.Lock()
	s.asked++
	s.asking++
	s.most = max(s.most, s.asking)
	s.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
	}
	s.mu.Lock()
	s.asking--
	s.mu.Unlock()
	return nil, &source.Error{Kind: source.Timeout, Text: "late"}
}

// Two sources are asked apart: one selector of both is two questions, and each has its own
// answer.
func TestSourcesAreAskedApart(t *testing.T) {
	a, b := &scripted{}, &scripted{fail: map[string]error{"only": &source.Error{Kind: source.Rejected, Text: "no"}}}
	c := New(Options{
		Rules: ofSources(t, map[string][]string{"": {"x"}, "a": {"y"}, "b": {"only"}}), Source: a,
		Sources: map[string]Discoverer{"a": b, "b": b}, Scopes: newCluster(), MaxAge: grace, Now: time.Now,
	})
	c.Relist(t.Context())
	if diff := cmp.Diff([]map[string]int{{"x": 1}, {"y": 1, "only": 1}}, []map[string]int{a.take(), b.take()}); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"": 0, "a": 0, "b": 1}, c.Failed()); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	for name, bad := range map[string]bool{"": false, "a": false, "b": true} {
		if done, err := c.Outcome(name); !done || (err != nil) != bad {
			t.Errorf("outcome of %q: %t, %v", name, done, err)
		}
	}
	if done, err := c.Outcome("c"); done || err != nil {
		t.Errorf("outcome of nobody: %t, %v", done, err)
	}
}

// A source that hangs, with more selectors than there are slots, costs the other one
// nothing: its series are known at once, and looked at as often as ever.
func TestASourceThatHangsLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := &scripted{}, &silent{}
		c := run(t, t.Context(), Options{
			Rules:  ofSources(t, map[string][]string{"": {"x", "y"}, "b": {"p", "q", "r", "s", "t", "u", "v"}}),
			Source: good, Sources: map[string]Discoverer{"b": bad},
		})
		synctest.Wait()
		for _, name := range []string{"x", "y"} {
			if _, ok := c.External(name); !ok {
				t.Errorf("%s is not known at once", name)
			}
		}
		good.take()
		time.Sleep(time.Hour + time.Minute)
		if n := good.take(); n["x"] != 6 || n["y"] != 6 {
			t.Errorf("in an hour, at one look each ten minutes: %v", n)
		}
		bad.mu.Lock()
		if bad.asked == 0 || bad.most > parallel {
			t.Errorf("the other one was asked %d times, %d at once", bad.asked, bad.most)
		}
		bad.mu.Unlock()
		if done, err := c.Outcome("b"); !done || !source.Unanswered(err) {
			t.Errorf("outcome of the one that hangs: %t, %v", done, err)
		}
		if done, err := c.Outcome(""); !done || err != nil {
			t.Errorf("and of the other: %t, %v", done, err)
		}
	})
}

// Nor does it hold the slots in which another one is asked.
func TestASourceThatHangsHoldsItsOwnSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := &scripted{}, &silent{}
		rules := map[string][]string{"b": {"p", "q", "r", "s", "t", "u", "v"}}
		c := run(t, t.Context(), Options{Rules: ofSources(t, rules), Source: good, Sources: map[string]Discoverer{"b": bad}})
		synctest.Wait()
		rules[""] = []string{"x", "y"}
		var reload sync.WaitGroup
		reload.Go(func() { c.Reload(t.Context(), ofSources(t, rules), map[string]Discoverer{"b": bad}) })
		synctest.Wait()
		if diff := cmp.Diff(map[string]int{"x": 1, "y": 1}, good.take()); diff != "" {
			t.Errorf("asked at once (-want +got):\n%s", diff)
		}
		reload.Wait()
	})
}

// Rules wait for a new source that hangs no longer than one question takes, however many it
// would be asked.
func TestReloadWithASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := reloading(t, &scripted{}, external(t, "x"))
		bad := &silent{}
		began := time.Now()
		c.Reload(t.Context(), ofSources(t, map[string][]string{"": {"y"}, "b": {"p", "q", "r", "s", "t", "u", "v", "w", "z"}}), map[string]Discoverer{"b": bad})
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %s", took)
		}
		if _, ok := c.External("y"); !ok {
			t.Error("the new rule of the other source does not serve")
		}
		// Once that is known they do not wait at all.
		began = time.Now()
		c.Reload(t.Context(), ofSources(t, map[string][]string{"": {"x"}, "b": {"other"}}), map[string]Discoverer{"b": bad})
		if took := time.Since(began); took != 0 {
			t.Errorf("took %s the next time", took)
		}
		if _, ok := c.External("x"); !ok {
			t.Error("the newest rule of the other source does not serve")
		}
	})
}

// What is known of a source's series is kept for that source only, and of one that is gone
// nothing is left.
func TestReloadOfSources(t *testing.T) {
	c := New(Options{Rules: external(t, "x"), Source: &scripted{}, Scopes: newCluster(), MaxAge: grace, Now: time.Now})
	first, second := &scripted{calls: map[string]int{}}, &scripted{calls: map[string]int{}}
	rules := map[string][]string{"": {"x"}, "a": {"y"}, "b": {"z"}}
	load := func(a, b Discoverer, wantA, wantB map[string]int) {
		t.Helper()
		c.Reload(t.Context(), ofSources(t, rules), map[string]Discoverer{"a": a, "b": b})
		if diff := cmp.Diff([]map[string]int{wantA, wantB}, []map[string]int{first.take(), second.take()}); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]bool{"x": true, "y": true, "z": true}, names(c)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	nothing := map[string]int{}
	load(first, first, map[string]int{"y": 1, "z": 1}, nothing)
	load(first, first, nothing, nothing)
	load(first, second, nothing, map[string]int{"z": 1})

	// The rule that is left fails, so it is not known whether it gives z; b, which did, is
	// gone all the same.
	failing := &scripted{fail: map[string]error{"y": &source.Error{Kind: source.Rejected, Text: "no"}}}
	c.Reload(t.Context(), ofSources(t, map[string][]string{"": {"x"}, "a": {"y"}}), map[string]Discoverer{"a": failing})
	if diff := cmp.Diff(map[string]bool{"x": true, "y": true}, names(c)); diff != "" {
		t.Errorf("a source refuses, another is gone (-want +got):\n%s", diff)
	}
}

func names(c *Catalog) map[string]bool {
	all := map[string]bool{}
	c.EachExternal(func(name string) { all[name] = true })
	return all
}
