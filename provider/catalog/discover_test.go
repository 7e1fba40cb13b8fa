package catalog

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// external is a file with an external rule for each selector, whose metric has the
// same name.
func external(t *testing.T, selectors ...string) *rule.Set {
	t.Helper()
	file := "externalRules:\n"
	for _, s := range selectors {
		file += "- {seriesQuery: " + s + ", resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}\n"
	}
	set, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// scripted does with each selector what it is told, and else finds its series.
type scripted struct {
	mu    sync.Mutex
	hang  map[string]bool // for a minute
	fail  map[string]error
	calls map[string]int
}

func (s *scripted) Series(ctx context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	name := selectors[0]
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[name]++
	hang, err := s.hang[name], s.fail[name]
	s.mu.Unlock()
	if hang {
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
		return nil, &source.Error{Kind: source.Timeout, Text: "late"}
	}
	return []source.Series{{Name: name, Labels: labelled}}, err
}

// take returns the calls since the last time.
func (s *scripted) take() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = map[string]int{}
	return calls
}

func (s *scripted) set(name string, hang bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang, s.fail = map[string]bool{name: hang}, map[string]error{name: err}
}

// run runs a catalog, inside synctest.Test.
func run(t *testing.T, ctx context.Context, o Options) *Catalog {
	o.Interval, o.MaxAge, o.Now = 10*time.Minute, grace, time.Now
	if o.Scopes == nil {
		o.Scopes = newCluster()
	}
	c := New(o)
	runCatalog(ctx, t, c)
	return c
}

// runCatalog runs c until the test ends.
func runCatalog(ctx context.Context, t *testing.T, c *Catalog) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// A rule that fails for good costs the source less and less, the other rules
// nothing, and the log one line. When it works, it is as good as the others.
func TestOneRuleFailsForGood(t *testing.T) {
	for name, err := range map[string]error{
		"refused":    &source.Error{Kind: source.Rejected, Text: "too many series"},
		"unanswered": &source.Error{Kind: source.Malformed, Text: "HTML"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{}
				s.set("bad", false, err)
				logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
				log := logger.GetSink().(ktesting.Underlier).GetBuffer()
				c := run(t, klog.NewContext(t.Context(), logger), Options{Rules: external(t, "bad", "good"), Source: s})
				time.Sleep(29 * time.Minute)
				// At 0, 10, 30, 70, 150, 310, 630 and 1230 s, before the first answer from half a second on.
				if n := s.take(); n["good"] != 3 || n["bad"] < 6 || n["bad"] > 14 {
					t.Errorf("in half an hour: %v", n)
				}
				if got := c.Stats(); got.Failed != 1 || got.External != 1 {
					t.Errorf("%+v", got)
				}
				// Whoever asks for what the bad rule would give does not change its pace.
				for range 60 {
					c.Wake()
					time.Sleep(time.Minute)
				}
				if n := s.take(); n["bad"] < 5 || n["bad"] > 7 || n["good"] < 59 {
					t.Errorf("in an hour of wakes: %v", n)
				}
				if n := strings.Count(log.String(), "Cannot discover"); n != 1 {
					t.Errorf("%d lines, want 1:\n%s", n, log.String())
				}
				s.set("bad", false, nil)
				time.Sleep(11 * time.Minute)
				if _, ok := c.External("bad"); !ok || c.Trouble() != nil {
					t.Errorf("not found again: %v", c.Trouble())
				}
				s.set("bad", false, err)
				time.Sleep(11 * time.Minute)
				if _, ok := c.External("bad"); !ok {
					t.Error("a failing rule lost its names")
				}
				if n := strings.Count(log.String(), "Cannot discover"); n != 2 {
					t.Errorf("%d lines, want a second one for the second time", n)
				}
			})
		})
	}
}

// A source that is away is asked again soon, however long it has been.
func TestSourceComesBackForAllRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		b.set("first", "second")
		c := newCatalog(t, b)
		runCatalog(t.Context(), t, c)
		time.Sleep(time.Hour)
		b.set()
		time.Sleep(minGap)
		synctest.Wait()
		if got := c.Stats(); got.Failed != 0 || got.Custom != 3 {
			t.Errorf("a gap after its return: %+v", got)
		}
	})
}

// What one rule gives is known while others hang, three of them at once too.
func TestRulesHangAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{hang: map[string]bool{"bad1": true, "bad2": true, "bad3": true}}
		c := run(t, t.Context(), Options{Rules: external(t, "bad1", "bad2", "bad3", "good", "better"), Source: s})
		waits := func(name string) time.Duration {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			c.Wait(ctx, func() bool { _, ok := c.External(name); return ok })
			return time.Since(began)
		}
		for name, want := range map[string]time.Duration{"good": 0, "better": 0, "bad1": 2 * time.Second} {
			if took := waits(name); took != want {
				t.Errorf("a read of %s waited %s, want %s", name, took, want)
			}
		}
		if done, err := c.Outcome(""); !done || err != nil {
			t.Errorf("outcome %v, %v, though the source answered", done, err)
		}
		if got := c.Stats(); got.Failed != 0 {
			t.Errorf("what is under way counts as failed: %+v", got)
		}
		if isListed(c, "") {
			t.Error("listed without an answer for three rules")
		}
		// Also later, whatever hangs then.
		s.take()
		time.Sleep(time.Hour)
		if n := s.take(); n["good"] < 5 || n["better"] < 5 {
			t.Errorf("in an hour: %v", n)
		}
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		time.Sleep(11 * time.Minute)
		if !isListed(c, "") || c.Stats().External != 5 {
			t.Errorf("after the hang: %+v", c.Stats())
		}
	})
}

// growing is a cluster in which a kind can be installed.
type growing struct {
	mu sync.Mutex
	cluster
}

func (g *growing) ResourceFor(in schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cluster.ResourceFor(in)
}

func (g *growing) install(kind string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: kind}, meta.RESTScopeNamespace)
}

// A resource that is installed is served as soon as the mapper has it, without
// another discovery, by overrides and by template.
func TestInstalledResourceIsServed(t *testing.T) {
	for name, resources := range map[string]string{
		"overrides": "{overrides: {namespace: {resource: namespace}, gizmo: {group: example.com, resource: gizmo}}}",
		"template":  `{template: "<<.Resource>>", overrides: {namespace: {resource: namespace}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, err := rule.Compile([]byte(`{rules: [{seriesQuery: spins, resources: ` + resources + `, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}]}`))
				if err != nil {
					t.Fatal(err)
				}
				s, g, changed := &answers{series: []source.Series{{Name: "spins", Labels: []string{"gizmo", "namespace"}}}}, &growing{cluster: newCluster()}, make(chan struct{}, 1)
				c := run(t, t.Context(), Options{Rules: set, Source: s, Scopes: g, Changed: changed})
				synctest.Wait()
				gizmos := Name{Resource: gizmoKind, Metric: "spins"}
				if _, ok := c.Custom(gizmos); ok {
					t.Fatal("served before it is installed")
				}
				g.install("Gizmo")
				changed <- struct{}{}
				synctest.Wait()
				if _, ok := c.Custom(gizmos); !ok || c.Stats().Problems != 0 || s.n != 1 {
					t.Errorf("served %v, %+v, %d discoveries", ok, c.Stats(), s.n)
				}
			})
		})
	}
}

// answers gives the same series each time, and counts.
type answers struct {
	series []source.Series
	n      int
}

func (a *answers) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	a.n++
	return a.series, nil
}

func TestPace(t *testing.T) {
	const s, interval = time.Second, 10 * time.Minute
	for name, tc := range map[string]struct{ got, want time.Duration }{
		"quick":                       {gap(s/100, 1, interval), minGap},
		"slow":                        {gap(4*s, 1, interval), 20 * s},
		"one of many":                 {gap(s, 8, interval), 40 * s},
		"very slow":                   {gap(time.Minute, 8, interval), interval},
		"first failure of all":        {backoff(0, false, false, interval), startGap},
		"second":                      {backoff(startGap, false, false, interval), 2 * startGap},
		"first after a success":       {backoff(0, true, false, interval), minGap},
		"it goes on failing":          {backoff(80*s, true, false, interval), 160 * s},
		"and on":                      {backoff(interval, true, false, interval), interval},
		"the source is away":          {backoff(80*s, true, true, interval), minGap},
		"an interval below the gap":   {backoff(minGap, true, false, s), minGap},
		"refused, after a hard start": {backoff(startGap, true, false, interval), minGap},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", name, tc.got, tc.want)
		}
	}
}

func TestAlike(t *testing.T) {
	reset := func(port string) error {
		return &source.Error{Kind: source.Unavailable, Text: "read tcp 10.0.0.1:" + port + "->10.0.0.2:9090: connection reset by peer"}
	}
	late := &source.Error{Kind: source.Timeout, Text: "late"}
	for name, tc := range map[string]struct {
		a, b error
		want bool
	}{
		"another local port": {reset("40001"), reset("40002"), true},
		"another kind":       {reset("40001"), late, false},
		"another refusal":    {&source.Error{Kind: source.Rejected, Text: "a"}, &source.Error{Kind: source.Rejected, Text: "b"}, false},
		"the same refusal":   {&source.Error{Kind: source.Rejected, Text: "a"}, &source.Error{Kind: source.Rejected, Text: "a"}, true},
		"refused, then late": {&source.Error{Kind: source.Rejected, Text: "a"}, late, false},
	} {
		if got := alike(tc.a, tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
