package eval

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/loadline/loadline/provider/metric"
)

// changes are those of rules, while queries of the rules of before wait or are under way:
// what these give is of no use any more, and must not be taken for what the new rule gives.
//
// When a query was planned goes with its context through the queue.
type changes struct {
	mu    sync.RWMutex
	count int
	last  map[metric.Identifier]int  // by metric, the newest change of its rule
	due   map[metric.Identifier]bool // of those, what was not planned since
}

func newChanges() *changes {
	return &changes{last: map[metric.Identifier]int{}, due: map[metric.Identifier]bool{}}
}

// planned is the key by which a context has the number of changes before its queries were
// planned.
type planned struct{}

// planning returns the context of what is planned from now on.
func (c *changes) planning(ctx context.Context) context.Context {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return context.WithValue(ctx, planned{}, c.count)
}

func (c *changes) note(ids []metric.Identifier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	for _, id := range ids {
		c.last[id], c.due[id] = c.count, true
	}
}

// isDue says whether a metric was not planned since its rule changed. A query for it that is
// under way is none for the new rule.
func (c *changes) isDue(id metric.Identifier) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.due[id]
}

// plans notes that a metric is planned.
func (c *changes) plans(ctx context.Context, id metric.Identifier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due[id] && !c.outdated(ctx, id) {
		delete(c.due, id)
	}
}

// outdated says whether the rule of a metric changed after the queries of a context were
// planned. c.mu is held.
func (c *changes) outdated(ctx context.Context, id metric.Identifier) bool {
	count, _ := ctx.Value(planned{}).(int)
	return c.last[id] > count
}

// current calls store with those of ids whose rule is still the one that they were planned
// with. None of them changes meanwhile.
func (c *changes) current(ctx context.Context, ids []metric.Identifier, store func([]metric.Identifier)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	left := slices.DeleteFunc(slices.Clone(ids), func(id metric.Identifier) bool { return c.outdated(ctx, id) })
	if len(left) > 0 {
		store(left)
	}
}

// anyOutdated says whether the rule of a query is another by now.
func (c *changes) anyOutdated(ctx context.Context, ids []metric.Identifier) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.ContainsFunc(ids, func(id metric.Identifier) bool { return c.outdated(ctx, id) })
}

// retain forgets the changes of metrics that keep refuses.
func (c *changes) retain(keep func(metric.Identifier) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.last, func(id metric.Identifier, _ int) bool { return !keep(id) })
	maps.DeleteFunc(c.due, func(id metric.Identifier, _ bool) bool { return !keep(id) })
}

// Forget says that the rules of metrics have changed: what was asked by those of before is
// not stored any more once it returns. What is stored is the caller's to forget, after that.
func (r *Router) Forget(ids []metric.Identifier) {
	// All of them: a metric may have been another source's.
	for _, e := range r.all() {
		e.changes.note(ids)
		e.sharing.forget(ids)
	}
}
