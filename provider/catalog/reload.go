package catalog

import (
	"context"
	"slices"
	"sync"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
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
	before := c.current.Load()
	c.current.Store(before.under(rules, from))
	c.publish(klog.FromContext(ctx), before)
	c.replaceUsage(rules.Usage)
	select {
	case c.reloaded <- struct{}{}:
	default:
	}
}

// under is s with the rules that are the same in the place of those of before, and without
// what is of sources that are gone: nobody is there to be asked for it.
func (s *snapshot) under(rules *rule.Set, sources map[string]*origin) *snapshot {
	left := *s // with the same channel, which is closed when this is replaced
	left.custom, left.external = map[Name]Entry{}, map[string]Entry{}
	like := likeness(rules)
	for n, e := range s.custom {
		if e.Rule = like(e.Rule); sources[e.Rule.Source()] != nil {
			left.custom[n] = e
		}
	}
	for n, e := range s.external {
		if e.Rule = like(e.Rule); sources[e.Rule.Source()] != nil {
			left.external[n] = e
		}
	}
	return &left
}

// likeness returns what finds the rule that is the same as another, which is that one itself
// if there is none.
func likeness(rules *rule.Set) func(*rule.Rule) *rule.Rule {
	all, found := rules.All(), map[*rule.Rule]*rule.Rule{}
	return func(old *rule.Rule) *rule.Rule {
		if found[old] == nil {
			found[old] = old
			if i := slices.IndexFunc(all, old.Same); i >= 0 {
				found[old] = all[i]
			}
		}
		return found[old]
	}
}

// replaceUsage puts other rules of usage in the place of the present ones. c.mu is held.
func (c *Catalog) replaceUsage(next *rule.Usage) {
	before := c.usage.Swap(next)
	if c.opts.Replaced == nil {
		return
	}
	c.opts.Replaced(func(id metric.Identifier) bool {
		if id.API != metric.Resource {
			return false
		}
		old, was := before.Rule(id.Metric, id.Resource)
		now, is := next.Rule(id.Metric, id.Resource)
		return was && !(is && old.Same(now))
	})
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
			f.series, f.tried, f.answered, f.err = old.series, old.tried, old.answered, old.err
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
		c.note(f, series, err)
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
