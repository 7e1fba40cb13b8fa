package catalog

import (
	"context"
	"slices"
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

// telling takes a moment and answers what it is told.
type telling struct {
	mu     sync.Mutex
	series []source.Series
	err    error
}

func (s *telling) tell(series []source.Series, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series, s.err = series, err
}

func (s *telling) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	time.Sleep(50 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.series, s.err
}

// With the default flags, of which both ages are one interval, a metric stays listed for one
// empty answer and longer, also after an outage in which nothing was answered.
func TestNamesFade(t *testing.T) {
	const interval = 10 * time.Minute
	away := &source.Error{Kind: source.Unavailable, Text: "refused"}
	for name, between := range map[string]error{"at once": nil, "after an outage": away} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &telling{series: series("x")}
				c := New(Options{Rules: external(t, "x"), Source: s, Scopes: newCluster(), Interval: interval, MaxAge: interval, Now: time.Now})
				runCatalog(t.Context(), t, c)
				listed := func(after time.Duration, want bool) {
					t.Helper()
					time.Sleep(after)
					synctest.Wait()
					if _, ok := c.External("x"); ok != want {
						t.Errorf("listed: %t, want %t", ok, want)
					}
				}
				listed(time.Second, true)
				if between != nil {
					s.tell(nil, between)
					listed(5*time.Hour, true)
				}
				s.tell(nil, nil) // an answer, and an empty one
				listed(interval+time.Second, true)
				s.tell(series("x"), nil) // as of an exporter that was restarted
				listed(interval+time.Second, true)
				s.tell(nil, nil)
				listed(interval+time.Second, true)
				listed(interval+time.Second, false)
			})
		})
	}
}

// Warnings, as of a Thanos of which a store does not answer, take nothing away for as long as
// they last; what such an answer has is known, and the warnings are counted.
func TestIncompleteAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{series: series("x", "y")}
		warned := 0
		c := New(Options{
			Rules: external(t, "x"), Source: s, Scopes: newCluster(), Interval: time.Minute, MaxAge: time.Minute, Now: time.Now,
			Warned: func(r *rule.Rule) {
				if warned++; r.ID() != "externalRules[0]" {
					t.Errorf("warned of %s", r.ID())
				}
			},
		})
		runCatalog(t.Context(), t, c)
		names := func(want ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			c.EachExternal(func(name string) { got = append(got, name) })
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		time.Sleep(time.Second)
		names("x", "y")
		s.tell(series("z"), &source.Error{Kind: source.Incomplete, Text: "a store is away"})
		time.Sleep(time.Hour)
		names("x", "y", "z")
		if n := c.Stats().Failed; n != 1 || c.Trouble() == nil {
			t.Errorf("%d rules have failed, trouble %v", n, c.Trouble())
		}
		if warned < 58 || warned > 61 { // each interval: to ask at once again brings no more
			t.Errorf("warned %d times in an hour", warned)
		}
		s.tell(series("z"), nil)
		time.Sleep(3 * time.Minute)
		names("z")
	})
}

// A name that fades goes on fading through a reload that leaves its rule as it is.
func TestReloadWhileANameFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{series: series("x")}
		c := New(Options{Rules: external(t, "x"), Source: s, Scopes: newCluster(), Interval: 10 * time.Minute, MaxAge: time.Hour, Now: time.Now})
		runCatalog(t.Context(), t, c)
		time.Sleep(time.Minute)
		s.tell(nil, nil)
		time.Sleep(10 * time.Minute)
		c.Reload(t.Context(), external(t, "new", "x"), nil)
		synctest.Wait()
		if e, ok := c.External("x"); !ok || e.Rule.ID() != "externalRules[1]" {
			t.Errorf("%v %+v", ok, e)
		}
		time.Sleep(70 * time.Minute)
		if _, ok := c.External("x"); ok {
			t.Error("still there")
		}
	})
}

// It is told of which metrics the rule is another one, when that one is there, and of no
// others.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		var another []func(metric.Identifier) bool
		c := New(Options{
			Rules: named(t, "a", "sum(<<.Series>>)"), Source: s, Scopes: newCluster(), Interval: time.Hour, MaxAge: grace, Now: time.Now,
			Replaced: func(f func(metric.Identifier) bool) { another = append(another, f) },
		})
		runCatalog(t.Context(), t, c)
		synctest.Wait()
		replaced := func(when string, id metric.Identifier, want bool) {
			t.Helper()
			synctest.Wait()
			got := slices.ContainsFunc(another, func(f func(metric.Identifier) bool) bool { return f(id) })
			if another = nil; got != want {
				t.Errorf("%s: %t, want %t", when, got, want)
			}
		}
		depth := metric.Identifier{API: metric.External, Metric: "depth"}
		replaced("at the start", depth, false)
		c.Reload(t.Context(), named(t, "a", "sum(<<.Series>>)  # the same rule\n"), nil)
		replaced("the query has a comment", depth, true)
		c.Reload(t.Context(), named(t, "a", "max(<<.Series>>)"), nil)
		replaced("another query", depth, true)
		c.Reload(t.Context(), named(t, "a", "max(<<.Series>>)"), nil)
		replaced("the same", depth, false)
		s.set("b", false, &source.Error{Kind: source.Rejected, Text: "no"})
		c.Reload(t.Context(), named(t, "b", "max(<<.Series>>)"), nil)
		replaced("nothing is known of another's series", depth, false)
		s.set("", false, nil)
		time.Sleep(grace)
		replaced("and then they are", depth, true)
		c.Reload(t.Context(), &rule.Set{}, nil)
		replaced("it is gone", depth, true)

		usage := func(query string) *rule.Set {
			set, err := rule.Compile([]byte("resourceRules: {memory: {nodeQuery: '" + query + "', resources: {template: <<.Resource>>}}}"))
			if err != nil {
				t.Fatal(err)
			}
			return set
		}
		memory := metric.Identifier{API: metric.Resource, Metric: metric.Memory, Resource: schema.GroupResource{Resource: "nodes"}}
		c.Reload(t.Context(), usage("x{<<.LabelMatchers>>}"), nil)
		replaced("usage is new", memory, false)
		c.Reload(t.Context(), usage("x{<<.LabelMatchers>>}"), nil)
		replaced("the same usage", memory, false)
		c.Reload(t.Context(), usage("y{<<.LabelMatchers>>}"), nil)
		replaced("other usage", memory, true)
	})
}
