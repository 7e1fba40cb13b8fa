package catalog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Discoverer finds series.
type Discoverer interface {
	Series(ctx context.Context, selectors []string, since time.Duration) ([]source.Series, error)
}

// Options of a Catalog.
type Options struct {
	Rules    *rule.Set
	Source   Discoverer
	Scopes   Scopes
	Interval time.Duration // between relists
	MaxAge   time.Duration // how far back a series counts, and how long a name outlives it
	Now      func() time.Time
}

// minGap is the shortest time between two relists. At the start, until the source
// has answered, it is shorter: a replica's network is often up a moment after it.
const (
	minGap   = 10 * time.Second
	startGap = 500 * time.Millisecond
)

// parallel bounds how many discovery calls are under way at once.
const parallel = 4

// Catalog follows the source. See New.
type Catalog struct {
	opts    Options
	current atomic.Pointer[snapshot]
	woken   chan struct{}
	tried   *latch
	listed  *latch
	failed  atomic.Int64
	trouble atomic.Pointer[error]
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
	c := &Catalog{opts: o, woken: make(chan struct{}, 1), tried: newLatch(), listed: newLatch()}
	c.current.Store(build(nil, nil, o.Scopes, time.Time{}, 0))
	notYet := errors.New("the series have not been discovered yet")
	c.trouble.Store(&notYet)
	return c
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
	return Stats{Custom: len(s.custom), External: len(s.external), Conflicts: len(s.conflicts), Failed: int(c.failed.Load()), Problems: len(s.lines())}
}

// Run relists until ctx ends.
func (c *Catalog) Run(ctx context.Context) {
	start := startGap
	for {
		began := time.Now()
		c.Relist(ctx)
		// A metric that appears is found soon after it is wanted, and whoever asks
		// for metrics that do not exist takes at most a twentieth of the source's
		// time for it. How long a failure took says nothing of that.
		gap := minGap
		if c.failed.Load() == 0 {
			gap = max(minGap, min(20*time.Since(began), c.opts.Interval))
		} else if !c.isListed() {
			gap, start = start, min(2*start, minGap)
		}
		if !c.wait(ctx, gap) {
			return
		}
	}
}

func (c *Catalog) wait(ctx context.Context, gap time.Duration) bool {
	interval := time.NewTimer(max(c.opts.Interval, gap))
	defer interval.Stop()
	floor := time.NewTimer(gap)
	defer floor.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-interval.C:
		return true
	case <-floor.C:
	}
	if c.failed.Load() > 0 {
		return true // a source that was away is asked again as soon as possible
	}
	select {
	case <-ctx.Done():
		return false
	case <-interval.C:
	case <-c.woken:
	}
	return true
}

// Relist asks the source once for every rule. Rules fail alone.
func (c *Catalog) Relist(ctx context.Context) {
	log := klog.FromContext(ctx)
	rules := append(append([]*rule.Rule{}, c.opts.Rules.Custom...), c.opts.Rules.External...)
	findings := c.discover(ctx, rules)
	if ctx.Err() != nil {
		return
	}
	failed := 0
	for _, f := range findings {
		if f.err != nil {
			failed++
			log.Error(f.err, "Cannot discover the series of a rule; its metrics stay as they are", "rule", f.rule.ID())
		}
	}
	c.failed.Store(int64(failed))
	c.note(findings)
	prev := c.current.Load()
	next := build(prev, findings, c.opts.Scopes, c.opts.Now(), c.opts.MaxAge)
	c.current.Store(next)
	logNews(log, "Two rules or series give one metric", prev.conflicts, next.conflicts)
	logNews(log, "A rule does not give what it could", prev.lines(), next.lines())
	c.tried.close()
	if !slices.ContainsFunc(findings, func(f finding) bool { return source.Unanswered(f.err) }) {
		c.listed.close()
	}
}

// discover asks once for every distinct series selector.
func (c *Catalog) discover(ctx context.Context, rules []*rule.Rule) []finding {
	type answer struct {
		series []source.Series
		err    error
	}
	answers := map[string]*answer{}
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, r := range rules {
		if answers[r.SeriesSelector()] != nil {
			continue
		}
		a := &answer{}
		answers[r.SeriesSelector()] = a
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			a.series, a.err = c.opts.Source.Series(ctx, []string{r.SeriesSelector()}, c.opts.MaxAge)
		})
	}
	wg.Wait()
	findings := make([]finding, 0, len(rules))
	for _, r := range rules {
		a := answers[r.SeriesSelector()]
		findings = append(findings, finding{rule: r, series: a.series, err: a.err})
	}
	return findings
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
