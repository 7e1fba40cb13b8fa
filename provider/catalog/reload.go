package catalog

import (
	"context"
	"maps"
	"sync"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Reload puts other rules in the place of the present ones, and other named sources in the
// place of theirs. What a source holds for the selectors that they share is known, so that a
// rule that only answers otherwise does so at once. The other selectors are asked for first:
// until the sources have answered, or have not within their time, the present rules stay. One
// that is known to be away is not waited for. Calls must not overlap.
func (c *Catalog) Reload(ctx context.Context, rules *rule.Set, sources map[string]Discoverer) {
	c.mu.Lock()
	from := origins(c.origins, c.opts.all(sources), rules)
	first := introduction{silent: c.away()}
	c.mu.Unlock()
	next := findings(rules, from)
	asked := queries(next)
	var wg sync.WaitGroup
	for _, q := range asked {
		if !c.inherit(q) {
			wg.Go(func() { first.ask(ctx, c, q) })
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
	c.origins, c.findings, c.queries = from, next, asked
	c.usage.Store(rules.Usage)
	c.current.Store(c.current.Load().within(from))
	c.publish(klog.FromContext(ctx))
	select {
	case c.reloaded <- struct{}{}:
	default:
	}
}

// within is s without what is of sources that are gone: nobody is there to be asked for it.
func (s *snapshot) within(sources map[string]*origin) *snapshot {
	gone := func(e Entry) bool { return sources[e.Rule.Source()] == nil }
	left := *s // with the same channel, which is closed when this is replaced
	left.custom, left.external = maps.Clone(s.custom), maps.Clone(s.external)
	maps.DeleteFunc(left.custom, func(_ Name, e Entry) bool { return gone(e) })
	maps.DeleteFunc(left.external, func(_ string, e Entry) bool { return gone(e) })
	return &left
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
		if old.from != q.from || old.rule.SeriesSelector() != q.selector || !old.tried {
			continue
		}
		for _, f := range q.rules {
			f.series, f.at, f.tried, f.answered, f.err = old.series, old.at, old.tried, old.answered, old.err
		}
		return true
	}
	return false
}

// away are the sources of which no discovery got an answer the last time, with the reason.
// c.mu is held.
func (c *Catalog) away() map[*origin]error {
	silent := map[*origin]error{}
	for name, t := range c.current.Load().sources {
		if t.silent == t.rules && c.origins[name] != nil {
			silent[c.origins[name]] = t.trouble
		}
	}
	return silent
}

// introduction asks for what is asked for the first time.
type introduction struct {
	mu     sync.Mutex
	silent map[*origin]error // why a source gave no answer
}

// ask asks the source of q, unless that left another one unanswered: the rules of all other
// sources wait for this.
func (i *introduction) ask(ctx context.Context, c *Catalog, q *query) {
	var series []source.Series
	err := i.why(q.from)
	if err == nil {
		if acquire(ctx, q.from.slots) != nil {
			return
		}
		defer func() { <-q.from.slots }()
		err = i.why(q.from) // by now
	}
	if err == nil {
		if series, err = c.series(ctx, q); source.Unanswered(err) {
			i.gaveUp(q.from, err)
		}
	}
	for _, f := range q.rules { // which nobody else knows yet
		f.note(series, err, c.opts.Now())
	}
}

func (i *introduction) why(from *origin) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.silent[from]
}

func (i *introduction) gaveUp(on *origin, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.silent[on] = err
}
