package catalog

import (
	"context"
	"sync"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
)

// Reload puts other rules in the place of the present ones. What the source holds for the
// selectors that they share is known, so that a rule that only answers otherwise does so at
// once. The other selectors are asked for first: until the source has answered, or has not
// within its time, the present rules stay. Calls must not overlap.
func (c *Catalog) Reload(ctx context.Context, rules *rule.Set) {
	next := findings(rules)
	asked := queries(next)
	var wg sync.WaitGroup
	for _, q := range asked {
		if !c.inherit(q) {
			wg.Go(func() { c.introduce(ctx, q) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range asked {
		c.renew(q) // what was found meanwhile is newer
	}
	for _, f := range next {
		f.resolve(c.opts.Scopes)
	}
	c.findings, c.queries = next, asked
	c.usage.Store(rules.Usage)
	c.publish(klog.FromContext(ctx))
	select {
	case c.reloaded <- struct{}{}:
	default:
	}
}

// inherit gives a query what is known for its selector, if it was asked for before.
func (c *Catalog) inherit(q *query) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renew(q)
}

// renew is inherit with c.mu held.
func (c *Catalog) renew(q *query) bool {
	for _, old := range c.findings {
		if old.rule.SeriesSelector() != q.selector || !old.tried {
			continue
		}
		for _, f := range q.rules {
			f.series, f.at, f.tried, f.answered, f.err = old.series, old.at, old.tried, old.answered, old.err
		}
		return true
	}
	return false
}

// introduce asks the source for a selector for the first time.
func (c *Catalog) introduce(ctx context.Context, q *query) {
	if acquire(ctx, c.slots) != nil {
		return
	}
	defer func() { <-c.slots }()
	series, err := c.series(ctx, q)
	for _, f := range q.rules { // which nobody else knows yet
		f.note(series, err, c.opts.Now())
	}
}
