package catalog

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Options of a Catalog.
type Options struct {
	Rules    *rule.Set
	Source   Discoverer            // of the rules that name none; nil if there is none
	Sources  map[string]Discoverer // of those that do, by name
	Scopes   Scopes
	Interval time.Duration // between relists
	MaxAge   time.Duration // how far back a series counts, and how long a name stays after the first answer without it
	Now      func() time.Time
	// Warned is called where the source added warnings to what it gave for a rule; nil if
	// nobody counts.
	Warned func(*rule.Rule)
	// Replaced is called when metrics may be others than before: another says of which the
	// rule is another one, or gone. It must not call the catalog's Reload, Run or Relist. Nil
	// if nobody needs to know.
	Replaced func(another func(metric.Identifier) bool)
	// Changed gives a value after Scopes has come to know other resources; nil if
	// it never does.
	Changed <-chan struct{}
}

// Catalog follows the sources. See New.
type Catalog struct {
	opts     Options
	current  atomic.Pointer[snapshot]
	usage    atomic.Pointer[rule.Usage] // nil without resourceRules
	tried    *latch
	reloaded chan struct{} // there are other queries to follow

	mu       sync.Mutex // of what follows, and of making snapshots
	origins  map[string]*origin
	findings []*finding // one for each rule, in their order
	queries  []*query
}

// latch is a channel that is closed once.
type latch struct {
	ch   chan struct{}
	once sync.Once
}

func newLatch() *latch { return &latch{ch: make(chan struct{})} }

func (l *latch) close() { l.once.Do(func() { close(l.ch) }) }

// New returns a catalog that is empty until Run or Relist.
func New(o Options) *Catalog {
	c := &Catalog{
		opts: o, tried: newLatch(), reloaded: make(chan struct{}, 1),
	}
	c.origins = origins(nil, o.all(o.Sources), o.Rules)
	c.findings = findings(o.Rules, c.origins)
	c.queries = queries(c.findings)
	c.current.Store(build(nil, c.findings, time.Time{}, 0))
	c.usage.Store(o.Rules.Usage)
	if len(c.queries) == 0 { // nothing to wait for
		c.tried.close()
	}
	return c
}

// all are the sources by name, with the one that has none.
func (o Options) all(named map[string]Discoverer) map[string]Discoverer {
	all := maps.Clone(named)
	if all == nil {
		all = map[string]Discoverer{}
	}
	if o.Source != nil {
		all[""] = o.Source
	}
	return all
}

// errNotYet is before the first discovery.
var errNotYet = errors.New("the series have not been discovered yet")

// findings are those of rules of which nothing is known yet.
func findings(rules *rule.Set, from map[string]*origin) (all []*finding) {
	for _, r := range rules.All() {
		f := &finding{rule: r, from: from[r.Source()], err: errNotYet}
		if r.EmptySeries() != "" { // of an external rule, which needs no scopes
			f.resolve(nil)
		}
		all = append(all, f)
	}
	return all
}

// Custom looks a custom metric up.
func (c *Catalog) Custom(n Name) (Entry, bool) {
	e, ok := c.current.Load().custom[n]
	return e, ok
}

// External looks an external metric up.
func (c *Catalog) External(metric string) (Entry, bool) {
	e, ok := c.current.Load().external[metric]
	return e, ok
}

// Usage looks a metric of metrics.k8s.io up, for which nothing has to be discovered.
func (c *Catalog) Usage(n Name) (Entry, bool) {
	r, ok := c.usage.Load().Rule(n.Metric, n.Resource)
	return Entry{Rule: r, Namespaced: n.Resource.Resource == "pods"}, ok
}

// Of looks the metric of an identifier up.
func (c *Catalog) Of(id metric.Identifier) (Entry, bool) {
	if id.API == metric.Resource {
		return c.Usage(Name{Resource: id.Resource, Metric: id.Metric})
	}
	return c.current.Load().of(id)
}

// UsageWindow is what the configuration says of the window of usage, in the sense of
// rule.Usage.
func (c *Catalog) UsageWindow() time.Duration {
	if u := c.usage.Load(); u != nil {
		return u.Window
	}
	return 0
}

// EachCustom calls f for every custom metric, in no particular order.
func (c *Catalog) EachCustom(f func(Name, Entry)) {
	for n, e := range c.current.Load().custom {
		f(n, e)
	}
}

// EachExternal calls f for every external metric, in no particular order.
func (c *Catalog) EachExternal(f func(string)) {
	for n := range c.current.Load().external {
		f(n)
	}
}

// Stats sums the catalog up.
type Stats struct {
	Custom, External, Conflicts int
	Failed                      int // rules whose newest discovery failed
	Problems                    int // reasons for which rules do not give what they could
}

// Stats returns the sums.
func (c *Catalog) Stats() Stats {
	s := c.current.Load()
	failed := 0
	for _, t := range s.sources {
		failed += t.failed
	}
	return Stats{Custom: len(s.custom), External: len(s.external), Conflicts: len(s.conflicts), Failed: failed, Problems: len(s.lines())}
}

// Failed counts, for each source of which there are rules, those whose newest discovery failed.
func (c *Catalog) Failed() map[string]int {
	failed := map[string]int{}
	for name, t := range c.current.Load().sources {
		failed[name] = t.failed
	}
	return failed
}

// logNews logs the lines that were not there before.
func logNews(log klog.Logger, message string, old, now []string) {
	known := map[string]bool{}
	for _, line := range old {
		known[line] = true
	}
	for _, line := range now {
		if !known[line] {
			log.Info(message, "detail", line)
		}
	}
}
