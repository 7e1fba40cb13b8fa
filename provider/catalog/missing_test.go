package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

var (
	podKind   = schema.GroupResource{Resource: "pods"}
	gizmoKind = schema.GroupResource{Group: "example.com", Resource: "gizmos"}
)

// unresolvable has overrides for kinds that the cluster lacks.
const unresolvable = `
rules:
- seriesQuery: spins
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}, gizmo: {group: example.com, resource: gizmo}}}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: turns
  resources: {overrides: {node: {resource: nodd}}}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
`

// found gives every selector one series of its name, with these labels, or err.
type found struct {
	labels []string
	err    error
}

func (f *found) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	return []source.Series{{Name: selectors[0], Labels: f.labels}, {Name: selectors[0] + "_total", Labels: f.labels}}, f.err
}

func discovered(t *testing.T, file string, f *found) *Catalog {
	t.Helper()
	set, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Rules: set, Source: f, Scopes: newCluster(), MaxAge: grace, Now: time.Now})
	c.Relist(t.Context())
	return c
}

// A reader is told which rule names a resource that nobody serves.
func TestMissingNamesTheRule(t *testing.T) {
	c := discovered(t, unresolvable, &found{labels: []string{"gizmo", "namespace", "node", "pod"}})
	gizmo := "rules[0].resources.overrides.gizmo: the resource gizmo.example.com cannot be found in the cluster (no matches for example.com/, Resource=gizmo): correct it, or install what defines it"
	node := "rules[1].resources.overrides.node: the resource nodd cannot be found in the cluster (no matches for /, Resource=nodd): correct it, or install what defines it"
	if _, ok := c.Custom(Name{Resource: podKind, Metric: "spins"}); !ok {
		t.Error("what the rule can give, it does not give")
	}
	noMatch := errors.New("no matches")
	for name, tc := range map[string]struct {
		got  error
		want string
	}{
		"the resource itself":       {c.NoResource(Name{gizmoKind, "spins"}, noMatch), `the API server knows no resource "gizmos.example.com"; ` + gizmo},
		"a resource of no rule":     {c.NoResource(Name{gizmoKind, "nonsense"}, noMatch), `the API server knows no resource "gizmos.example.com": no matches`},
		"a rule that is misspelt":   {c.Missing(Name{schema.GroupResource{Resource: "nodes"}, "turns"}), `no rule gives a metric "turns" for nodes; ` + node},
		"a name of no rule":         {c.Missing(Name{podKind, "nonsense"}), `no rule gives a metric "nonsense" for pods from a series that the source holds: check the rules' seriesQuery and resources, and whether the series exists`},
		"an external name, no rule": {c.Missing(Name{Metric: "spins"}), `no external rule gives a metric "spins" from a series that the source holds: check the rules' seriesQuery, and whether the series exists`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r := metric.ReasonOf(tc.got); r != metric.Undefined {
				t.Errorf("reason %q", r)
			}
		})
	}
	// Each once, however many series have it: that is also what is logged.
	if diff := cmp.Diff([]string{gizmo, node}, c.current.Load().lines()); diff != "" || c.Stats().Problems != 2 {
		t.Errorf("problems %d (-want +got):\n%s", c.Stats().Problems, diff)
	}
}

func TestHintIsShort(t *testing.T) {
	var overrides, labels []string
	for _, l := range []string{"a", "b", "c", "d", "e"} {
		overrides = append(overrides, l+": {resource: "+l+"thing}")
		labels = append(labels, l)
	}
	c := discovered(t, `{rules: [{seriesQuery: s, resources: {overrides: {`+strings.Join(overrides, ", ")+`}}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}]}`, &found{labels: labels})
	hint := c.hint("s")
	if n := strings.Count(hint, "cannot be found"); n != 3 || !strings.HasSuffix(hint, "; …") {
		t.Errorf("%d problems: %s", n, hint)
	}
}

// A name that is not there may exist for as long as the newest discovery failed,
// and before the first.
func TestMissingWhileDiscoveryFails(t *testing.T) {
	const file = `{externalRules: [{seriesQuery: up, resources: {namespaced: false}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>})"}]}`
	set, err := rule.Compile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	src := &found{err: away}
	c := New(Options{Rules: set, Source: src, Now: time.Now})
	if err := c.Missing(Name{Metric: "x"}); metric.ReasonOf(err) != metric.SourceFailed {
		t.Errorf("before the first discovery: %v", err)
	}
	c.Relist(t.Context())
	if err := c.Missing(Name{Metric: "x"}); metric.ReasonOf(err) != metric.SourceFailed || !errors.Is(err, away) {
		t.Errorf("after a failure: %v", err)
	}
	src.err = nil
	c.Relist(t.Context())
	if err := c.Missing(Name{Metric: "x"}); metric.ReasonOf(err) != metric.Undefined {
		t.Errorf("after a success: %v", err)
	}
}

// isListed says whether a source is listed now.
func isListed(c *Catalog, source string) bool {
	atOnce, cancel := context.WithCancel(context.Background())
	cancel()
	return c.Listed(atOnce, source)
}

// What was tried lets reads go on, and only what was answered counts as listed.
func TestListed(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"answered":    {nil, true},
		"refused":     {&source.Error{Kind: source.Rejected, Text: "no"}, true},
		"unavailable": {&source.Error{Kind: source.Unavailable, Text: "refused"}, false},
		"no answer":   {&source.Error{Kind: source.Timeout, Text: "late"}, false},
		"HTML":        {&source.Error{Kind: source.Malformed, Text: "HTML"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := discovered(t, unresolvable, &found{err: tc.err})
			set := c.opts.Rules
			if isListed(c, "") != tc.want {
				t.Errorf("listed %v, want %v", !tc.want, tc.want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			asked := 0
			if c.Wait(t.Context(), func() bool { asked++; return false }); asked == 0 {
				t.Error("waited without a look")
			}
			New(Options{Rules: set, Now: time.Now}).Wait(ctx, func() bool { return false }) // does not outlive its context
		})
	}
}

// A source that comes up a moment after us does not cost the whole warm-up.
func TestRunTriesOftenAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		b.set("first", "second")
		c := newCatalog(t, b)
		runCatalog(t.Context(), t, c)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(b.take()) / 2; n != 3 {
			t.Errorf("%d relists in 2 s, want 3: at once, after 0.5 s and 1 s more", n)
		}
		b.set("second")
		time.Sleep(2 * time.Second)
		if isListed(c, "") {
			t.Error("listed with one rule unanswered")
		}
		b.set()
		time.Sleep(minGap)
		if !isListed(c, "") {
			t.Error("not listed though the source answers")
		}
		b.take()
		b.set("first", "second")
		time.Sleep(10 * time.Minute) // notices
		b.take()
		time.Sleep(time.Minute)
		if n := len(b.take()) / 2; n < 5 || n > 6 {
			t.Errorf("%d relists in a minute of a later outage", n)
		}
	})
}

// Why a rule's series are not known is known by the rule, until they are; and to say why there
// is no metric nobody is asked for a relist.
func TestDiscoveryOfARule(t *testing.T) {
	f := &found{labels: []string{"namespace", "pod"}, err: &source.Error{Kind: source.Timeout, Text: "no answer"}}
	c := discovered(t, unresolvable, f)
	rules := c.opts.Rules.All()
	if err := c.Discovery(rules[0]); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("while it fails: %v", err)
	}
	f.err = nil
	c.Relist(t.Context())
	if err := c.Discovery(rules[0]); err != nil {
		t.Errorf("when it has succeeded: %v", err)
	}
	n := Name{Resource: podKind, Metric: "none"}
	if err := c.Why(n); metric.ReasonOf(err) != metric.Undefined {
		t.Errorf("why: %v", err)
	}
	for _, q := range c.followed() {
		select {
		case <-q.woken:
			t.Error("woken by a question")
		default:
		}
	}
	if c.Missing(n).Error() != c.Why(n).Error() {
		t.Error("two answers to one question")
	}
	if len(c.followed()[0].woken) == 0 {
		t.Error("not woken by a read")
	}
}
