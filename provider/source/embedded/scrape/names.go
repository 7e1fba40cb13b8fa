package scrape

import (
	"sync"
	"sync/atomic"

	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// names decides which series are kept. It remembers what it has decided, for each line of each
// scrape asks it.
type names struct{ now atomic.Pointer[decisions] }

// What is remembered: pods may export any names, at each scrape others.
const (
	maxNames     = 20_000
	maxNameBytes = 200
)

// decisions are those of one filter.
type decisions struct {
	filter wanted.Filter
	mu     sync.RWMutex
	known  map[string]bool
}

func newNames() *names {
	n := &names{}
	n.set(wanted.Filter{})
	return n
}

// set takes another filter from now on.
func (n *names) set(filter wanted.Filter) {
	n.now.Store(&decisions{filter: filter, known: map[string]bool{}})
}

// filter is the present one.
func (n *names) filter() wanted.Filter { return n.now.Load().filter }

// of says which series of targets in a namespace are kept, until another filter is set; nil if
// all are. Empty is for targets that speak for others.
func (n *names) of(string) func(name []byte) bool {
	d := n.now.Load()
	if d.filter.All() {
		return nil
	}
	return d.keep
}

func (d *decisions) keep(name []byte) bool {
	d.mu.RLock()
	keep, known := d.known[string(name)]
	d.mu.RUnlock()
	if known {
		return keep
	}
	keep = d.filter.Keep(string(name))
	if len(name) <= maxNameBytes {
		d.mu.Lock()
		if len(d.known) < maxNames {
			d.known[string(name)] = keep
		}
		d.mu.Unlock()
	}
	return keep
}
