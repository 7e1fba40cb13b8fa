package catalog

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
)

// Options of a Catalog.
type Options struct {
	Rules    *rule.Set
	Source   Discoverer
	Scopes   Scopes
	Interval time.Duration // between relists
	MaxAge   time.Duration // how far back a series counts, and how long a name outlives it
	Now      func() time.Time
	// Changed gives a value after Scopes has come to know other resources; nil if
	// it never does.
	Changed <-chan struct{}
}

// Catalog follows the source. See New.
type Catalog struct {
	opts     Options
	slots    chan struct{} // one for each discovery under way
	retries  chan struct{} // and besides for each whose last one failed
	current  atomic.Pointer[snapshot]
	usage    atomic.Pointer[rule.Usage] // nil without resourceRules
	tried    *latch
	listed   *latch
	reloaded chan struct{} // there are other queries to follow

	mu       sync.Mutex // of what follows, and of making snapshots
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
		opts: o, tried: newLatch(), listed: newLatch(), reloaded: make(chan struct{}, 1),
		slots: make(chan struct{}, parallel), retries: make(chan struct{}, parallel-1),
	}
	c.findings = findings(o.Rules)
	c.queries = queries(c.findings)
	c.current.Store(build(nil, c.findings, time.Time{}, 0))
	c.usage.Store(o.Rules.Usage)
	if len(c.queries) == 0 { // nothing to wait for
		c.tried.close()
		c.listed.close()
	}
	return c
}

// errNotYet is before the first discovery.
var errNotYet = errors.New("the series have not been discovered yet")

// findings are those of rules of which nothing is known yet.
func findings(rules *rule.Set) (all []*finding) {
	for _, r := range slices.Concat(rules.Custom, rules.External) {
		f := &finding{rule: r, err: errNotYet}
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
	return Stats{Custom: len(s.custom), External: len(s.external), Conflicts: len(s.conflicts), Failed: s.failed, Problems: len(s.lines())}
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
