package catalog

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Discoverer finds series. With an error that is source.Incomplete it gives those that it has
// found all the same: what is missing from them says nothing.
type Discoverer interface {
	Series(ctx context.Context, selectors []string, since time.Duration) ([]source.Series, error)
}

// namer is a Discoverer that can do with names where Series would look at each series.
type namer interface {
	Names(ctx context.Context, selector string, since time.Duration, wanted func(label string) bool) ([]source.Series, error)
}

// series asks the source what there is for a selector.
func (c *Catalog) series(ctx context.Context, q *query) ([]source.Series, error) {
	names, ok := q.from.Discoverer.(namer)
	if !ok {
		return q.from.Series(ctx, []string{q.selector}, c.opts.MaxAge)
	}
	return names.Names(ctx, q.selector, c.opts.MaxAge, func(label string) bool { return q.describes(c.opts.Scopes, label) })
}

// describes says whether a label may name objects to a rule of the selector. One whose
// resource cannot be looked up may, and is a problem to be told.
func (q *query) describes(m rule.Mapper, label string) bool {
	return slices.ContainsFunc(q.rules, func(f *finding) bool {
		if f.rule.External() {
			return false
		}
		objects, err := f.rule.Objects(m, []string{label})
		return len(objects) > 0 || err != nil
	})
}

// parallel bounds how many discovery calls of a source are under way at once. One of them is
// kept for what did not fail the last time, or a few that hang would hold up all.
const parallel = 4

// query is one distinct series selector of a source, and the rules that share it.
type query struct {
	selector string
	from     *origin
	rules    []*finding
	woken    chan struct{}
}

func queries(findings []*finding) []*query {
	var all []*query
	type key struct {
		from     *origin
		selector string
	}
	known := map[key]*query{}
	for _, f := range findings {
		k := key{f.from, f.rule.SeriesSelector()}
		q := known[k]
		if q == nil {
			q = &query{selector: k.selector, from: k.from, woken: make(chan struct{}, 1)}
			known[k] = q
			all = append(all, q)
		}
		q.rules = append(q.rules, f)
	}
	return all
}

// Run follows the sources until ctx ends. Each selector has its own pace, so that
// rules fail and hang alone, and what one gives is known when it is found.
func (c *Catalog) Run(ctx context.Context) {
	for ctx.Err() == nil {
		c.run(ctx)
	}
}

// run follows the selectors of one set of rules.
func (c *Catalog) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, q := range c.followed() {
		wg.Go(func() { c.follow(following, q) })
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.reloaded:
			return
		case <-c.opts.Changed:
			c.resolve(ctx)
			c.Wake()
		}
	}
}

func (c *Catalog) followed() []*query {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queries
}

func (c *Catalog) follow(ctx context.Context, q *query) {
	var pause time.Duration
	for {
		took, err := c.discover(ctx, q)
		if err == nil || c.hasPart(q) {
			pause = 0
			if !c.wait(ctx, q, gap(took, c.beside(q), c.opts.Interval)) {
				return
			}
			continue
		}
		of := c.current.Load().sources[q.from.name]
		away := source.Unanswered(err) && (of == nil || of.found == 0)
		pause = backoff(pause, c.hasAnswered(q), away, c.opts.Interval)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// beside is how many selectors the source of q is asked for, q's own among them.
func (c *Catalog) beside(q *query) (n int) {
	for _, other := range c.followed() {
		if other.from == q.from {
			n++
		}
	}
	return n
}

// Relist asks the sources once for every rule.
func (c *Catalog) Relist(ctx context.Context) {
	var wg sync.WaitGroup
	for _, q := range c.followed() {
		wg.Go(func() { _, _ = c.discover(ctx, q) })
	}
	wg.Wait()
}

// discover asks once, and records the answer unless ctx has ended. took is the
// time of the call.
func (c *Catalog) discover(ctx context.Context, q *query) (took time.Duration, err error) {
	if c.hasFailed(q) {
		if err := acquire(ctx, q.from.retries); err != nil {
			return 0, err
		}
		defer func() { <-q.from.retries }()
	}
	if err := acquire(ctx, q.from.slots); err != nil {
		return 0, err
	}
	defer func() { <-q.from.slots }()
	began := time.Now()
	series, err := c.series(ctx, q)
	took = time.Since(began)
	if ctx.Err() != nil {
		return took, ctx.Err()
	}
	c.record(ctx, q, series, err)
	return took, err
}

func acquire(ctx context.Context, slots chan<- struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// record makes an answer known.
func (c *Catalog) record(ctx context.Context, q *query, series []source.Series, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := klog.FromContext(ctx)
	for _, f := range q.rules {
		failed := f.tried && f.err != nil
		switch { // only what is new
		case err == nil && failed:
			log.Info("The series of a rule are discovered again", "rule", f.rule.ID())
		case err != nil && !(failed && alike(f.err, err)):
			log.Error(err, "Cannot discover the series of a rule, or not all of them; its metrics stay, with what was found", "rule", f.rule.ID())
		}
		if c.note(f, series, err); tells(series, err) {
			f.resolve(c.opts.Scopes)
		}
	}
	c.publish(log, c.current.Load())
}

// note keeps the end of a discovery.
func (c *Catalog) note(f *finding, series []source.Series, err error) {
	f.tried, f.err = true, err
	f.answered = f.answered || !source.Unanswered(err)
	if tells(series, err) {
		f.series = series
	}
	if source.KindOf(err) == source.Incomplete && c.opts.Warned != nil {
		c.opts.Warned(f.rule)
	}
}

// tells says whether a discovery tells of series: an incomplete one without any tells nothing.
func tells(series []source.Series, err error) bool {
	return err == nil || source.KindOf(err) == source.Incomplete && len(series) > 0
}

// alike says whether two failures are the same news. What the network says of a
// source that gives no answer has port numbers in it, so there the kind decides.
func alike(a, b error) bool {
	if source.Unanswered(a) && source.Unanswered(b) {
		return source.KindOf(a) == source.KindOf(b)
	}
	return a.Error() == b.Error()
}

// resolve looks the resources of all series up again. A resource that was installed is
// served then, if its label was known, and else after the discovery that this asks for.
func (c *Catalog) resolve(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.findings {
		c.findings[i].resolve(c.opts.Scopes)
	}
	c.publish(klog.FromContext(ctx), c.current.Load())
}

// publish makes the findings the current snapshot, in the place of before. c.mu is held.
func (c *Catalog) publish(log klog.Logger, before *snapshot) {
	prev := c.current.Load()
	next := build(prev, c.findings, c.opts.Now(), c.opts.MaxAge)
	c.current.Store(next)
	logNews(log, "Two rules or series give one metric", prev.conflicts, next.conflicts)
	logNews(log, "A rule does not give what it could", prev.lines(), next.lines())
	if !slices.ContainsFunc(c.findings, func(f *finding) bool { return !f.tried }) {
		c.tried.close()
	}
	close(prev.replaced)
	if c.opts.Replaced != nil {
		c.opts.Replaced(func(id metric.Identifier) bool {
			if id.API == metric.Resource {
				return false
			}
			old, was := before.of(id)
			now, is := next.of(id)
			return was && !(is && old.Rule.Same(now.Rule))
		})
	}
}

func (c *Catalog) hasFailed(q *query) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := q.rules[0]
	return f.tried && f.err != nil
}

// hasPart says whether the newest answer lacks something. To ask again at once would not
// bring it: it is asked for like a whole one.
func (c *Catalog) hasPart(q *query) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return source.KindOf(q.rules[0].err) == source.Incomplete
}

func (c *Catalog) hasAnswered(q *query) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return q.rules[0].answered
}
