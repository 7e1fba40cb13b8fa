package scrape

import (
	"sync"
	"sync/atomic"

	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// names decides which series are kept. It remembers what it has decided, for each line of each
// scrape asks it.
type names struct{ now atomic.Pointer[decisions] }

// What is remembered: pods may export any names, at each scrape others. One scrape adds so few
// that those who do have not what everybody exports forgotten all the time.
const (
	maxNames     = 20_000
	maxNameBytes = 200
	maxNew       = 1_000 // of one scrape
)

// decisions are those of one filter.
type decisions struct {
	filter wanted.Filter
	mu     sync.RWMutex
	// anybodys has what anybody wants, and what nobody does; within has, of what somebody
	// wants, what the pods of a namespace keep.
	anybodys map[string]bool
	within   map[withinName]bool
}

type withinName struct{ namespace, name string }

func newNames() *names {
	n := &names{}
	n.set(wanted.Filter{})
	return n
}

// set takes another filter from now on.
func (n *names) set(filter wanted.Filter) {
	n.now.Store(&decisions{filter: filter, anybodys: map[string]bool{}, within: map[withinName]bool{}})
}

// filter is the present one.
func (n *names) filter() wanted.Filter { return n.now.Load().filter }

// of says which series are kept in one scrape of a target that speaks for a namespace, or for
// anybody if that is empty, until another filter is set. It is nil if all are.
func (n *names) of(namespace string) func(name []byte) bool {
	d := n.now.Load()
	if d.filter.AllWithin(namespace) {
		return nil
	}
	room := maxNew
	return func(name []byte) bool {
		d.mu.RLock()
		keep, known := d.anybodys[string(name)]
		if keep && namespace != "" {
			keep, known = d.within[withinName{namespace, string(name)}]
		}
		d.mu.RUnlock()
		if known {
			return keep
		}
		room--
		return d.decide(namespace, string(name), room >= 0)
	}
}

// keeper is what of says, for names that are read already.
func (n *names) keeper(namespace string) func(name string) bool {
	d := n.now.Load()
	if namespace == "" {
		return d.filter.Keep
	}
	return d.filter.Within(namespace)
}

// decide decides on a name, and may remember it: where there is no room, instead of all others.
func (d *decisions) decide(namespace, name string, remember bool) bool {
	anybodys := d.filter.Keep(name)
	keep := anybodys
	if anybodys && namespace != "" {
		keep = d.filter.Within(namespace)(name)
	}
	if !remember || len(name) > maxNameBytes {
		return keep
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.anybodys) >= maxNames {
		clear(d.anybodys)
	}
	d.anybodys[name] = anybodys
	if anybodys && namespace != "" {
		if len(d.within) >= maxNames {
			clear(d.within)
		}
		d.within[withinName{namespace, name}] = keep
	}
	return keep
}
