package cadence

import (
	"maps"
	"sync"
	"time"
)

const (
	// parts is into how many an interval is divided. The moments of evaluation are the ends of
	// parts: so the namespaces of one moment are evaluated together, and share their queries,
	// of which there are never more rounds than this in an interval.
	parts = 10
	// remembered is for how many intervals a part counts as one with scrapes: more than one,
	// for those at the edge of a part are now in it and now in the next.
	remembered = 2
	// steady is for how many intervals a moment stays what it was chosen to be: each change
	// may be an evaluation more.
	steady = 4
	// better is by how many parts another moment must be better to be chosen in the place of
	// the present one.
	better = 2
)

// Cadence notes scrapes and says what is to be evaluated after them. It is safe for
// concurrent use. See New.
type Cadence struct {
	part  time.Duration
	began time.Time

	mu     sync.Mutex
	seen   int // the number of the part at whose beginning Due was answered last
	groups map[string]*group
	all    *group
}

// New returns one for a scrape interval, of which nothing is known at a time.
func New(interval time.Duration, at time.Time) *Cadence {
	return &Cadence{part: max(interval/parts, time.Millisecond), began: at, groups: map[string]*group{}, all: newGroup()}
}

// number is that of the part of a time. Only differences between times count, so that of
// times with a monotonic clock it is that which counts.
func (c *Cadence) number(at time.Time) int { return max(0, int(at.Sub(c.began)/c.part)) }

// Wait is how long it is from a time to the next one at which something may be due.
func (c *Cadence) Wait(at time.Time) time.Duration { return c.part - at.Sub(c.began)%c.part }

// Committed notes that the samples of a scrape of a pod in a namespace can be queried.
func (c *Cadence) Committed(namespace string, at time.Time) {
	n := c.number(at)
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[namespace]
	if g == nil {
		g = newGroup()
		c.groups[namespace] = g
	}
	g.commit(n)
	c.all.commit(n)
}

// Due is what is to be evaluated at a time: see Has. It is said once.
func (c *Cadence) Due(at time.Time) Due {
	n := c.number(at)
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Due{of: make(map[string]bool, len(c.groups))}
	for name, g := range c.groups {
		out.of[name] = g.takes(c.seen, n)
		out.any = out.any || out.of[name]
	}
	out.others = c.all.takes(c.seen, n)
	out.any = out.any || out.others
	c.seen = max(c.seen, n)
	maps.DeleteFunc(c.groups, func(_ string, g *group) bool { return !g.alive(n) })
	return out
}

// Due says which metrics are to be evaluated now.
type Due struct {
	of          map[string]bool // by namespace that has scrapes of its own
	others, any bool
}

// Any says whether some are.
func (d Due) Any() bool { return d.any }

// Has says whether the metrics of a namespace are. A namespace of which no pod is scraped,
// and what is of none, have their values from others' pods, and are due as if all pods were
// of one namespace.
func (d Due) Has(namespace string) bool {
	due, known := d.of[namespace]
	if !known {
		return d.others
	}
	return due
}
