package object

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/metric"
)

// index holds the live objects of one kind. It is the store that a reflector
// fills, and keeps nothing of an object but its name and labels.
//
// Which names a selector matches is remembered until an object of that namespace
// changes, because the same few selectors are asked for over and over.
type index struct {
	mu         sync.RWMutex
	namespaces map[string]*namespace
	remembered int // names in all matches
	most       int // of remembered
}

type namespace struct {
	labels  map[string]labels.Set // by object name
	matches map[string][]string   // sorted names by selector; reset by any change
}

// Bounds of what is remembered: selectors of one namespace, and names (16 bytes
// each) in all results of the kind. 1,000 selectors over 10,000 pods would take
// 160 MB.
const (
	maxMatches = 1024
	maxNames   = 1 << 20
)

func newIndex() *index { return &index{namespaces: map[string]*namespace{}, most: maxNames} }

// names returns the sorted names of the objects in ns that sel matches. The
// result is shared: callers must not change it.
func (x *index) names(ns string, sel labels.Selector, key string) []string {
	x.mu.RLock()
	n := x.namespaces[ns]
	if n == nil {
		x.mu.RUnlock()
		return nil
	}
	names, ok := n.matches[key]
	x.mu.RUnlock()
	if ok {
		return names
	}
	return x.match(ns, sel, key)
}

// match computes what names did not remember.
func (x *index) match(ns string, sel labels.Selector, key string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.namespaces[ns]
	if n == nil {
		return nil
	}
	if names, ok := n.matches[key]; ok { // by another who asked at the same time
		return names
	}
	names := []string{}
	for name, set := range n.labels {
		if sel.Matches(set) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(n.matches) < maxMatches && x.remembered+len(names) <= x.most {
		n.matches[key] = names
		x.remembered += len(names)
	}
	return names
}

func (x *index) has(ns, name string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := x.namespaces[ns]
	if n == nil {
		return false
	}
	_, ok := n.labels[name]
	return ok
}

// list returns the objects in ns, or in all where that is empty, that sel matches.
func (x *index) list(ns string, sel labels.Selector) (out []metric.Object) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	add := func(ns string, n *namespace) {
		for name, set := range n.labels {
			if sel.Matches(set) {
				out = append(out, metric.Object{Namespace: ns, Name: name, Labels: set})
			}
		}
	}
	if n := x.namespaces[ns]; n != nil {
		add(ns, n)
	} else if ns == "" {
		for ns, n := range x.namespaces {
			add(ns, n)
		}
	}
	return out
}

func (x *index) count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	total := 0
	for _, n := range x.namespaces {
		total += len(n.labels)
	}
	return total
}

func (x *index) countIn(ns string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if n := x.namespaces[ns]; n != nil {
		return len(n.labels)
	}
	return 0
}

// Add, Update, Delete, Replace and Resync make index a cache.ReflectorStore.

func (x *index) Add(obj any) error    { return x.Update(obj) }
func (x *index) Resync() error        { return nil }
func (x *index) Delete(obj any) error { return x.change(obj, false) }
func (x *index) Update(obj any) error { return x.change(obj, true) }

func (x *index) change(obj any, present bool) error {
	o, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Errorf("an object without metadata: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	ns, name := o.GetNamespace(), o.GetName()
	n := x.namespaces[ns]
	// An object that is being deleted is gone for us: a terminating pod still
	// has samples, and the HPA controller would average over it.
	if !present || o.GetDeletionTimestamp() != nil {
		if n != nil {
			delete(n.labels, name)
			x.forget(n)
			if len(n.labels) == 0 {
				delete(x.namespaces, ns)
			}
		}
		return nil
	}
	if n == nil {
		n = &namespace{labels: map[string]labels.Set{}, matches: map[string][]string{}}
		x.namespaces[ns] = n
	}
	set := labels.Set(o.GetLabels())
	if old, ok := n.labels[name]; ok && labels.Equals(old, set) {
		return nil // status changes of a pod are frequent and change no match
	}
	n.labels[name] = set
	x.forget(n)
	return nil
}

// forget drops the results of a namespace whose objects changed.
func (x *index) forget(n *namespace) {
	if len(n.matches) == 0 {
		return // a list of thousands comes object by object
	}
	for _, names := range n.matches {
		x.remembered -= len(names)
	}
	n.matches = map[string][]string{}
}

// Replace swaps the whole content, as after a relist.
func (x *index) Replace(objs []any, _ string) error {
	fresh := newIndex()
	for _, obj := range objs {
		if err := fresh.Update(obj); err != nil {
			return err
		}
	}
	x.mu.Lock()
	x.namespaces, x.remembered = fresh.namespaces, 0
	x.mu.Unlock()
	return nil
}
