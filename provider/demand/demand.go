// Package demand keeps track of what is wanted, and bounds it.
//
// There are two kinds of demand. A metric that an HPA of the cluster references
// is wanted for as long as the HPA is there. A metric that somebody read is
// wanted until nobody has read it for a while. Both are bounded per namespace
// and in total; where they compete, what HPAs reference comes first.
//
// A metric counts for the namespace through which it was asked for, that of the
// request or of the HPA: root-scoped objects have none of their own, and one that
// they shared could be used up by a single tenant for all. Equal metrics asked for
// through several namespaces are one, which counts for the first of them until
// nobody wants it.
package demand

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// Limits bound the demand.
type Limits struct {
	Total        int           // identifiers in all
	PerNamespace int           // identifiers asked for through one namespace
	Idle         time.Duration // a metric that is only read stops being wanted after this
}

// Registry is the set of wanted metrics. See New.
type Registry struct {
	limits Limits

	mu           sync.RWMutex
	wants        map[metric.Identifier]*want
	perNamespace map[string]int
	references   map[string][]metric.Identifier // by HPA
	rejections   atomic.Int64
}

type want struct {
	namespace  string       // for which it counts; empty for requests without one
	lastRead   atomic.Int64 // unix nanoseconds; 0: never read
	references int          // HPAs; under the registry's lock
}

// New returns an empty registry.
func New(l Limits) *Registry {
	return &Registry{
		limits:       l,
		wants:        map[metric.Identifier]*want{},
		perNamespace: map[string]int{},
		references:   map[string][]metric.Identifier{},
	}
}

// Read is ReadThrough the namespace of id itself.
func (r *Registry) Read(id metric.Identifier, now time.Time) error {
	return r.ReadThrough(id, id.Namespace, now)
}

// ReadThrough records that id was read at now, in a request that was authorized
// for namespace; empty is a request without one.
//
// Beyond a limit it returns an *metric.Error with reason LimitReached that names
// the flag, and with reason Invalid for an id of more than 8 KiB; nothing is recorded
// then.
func (r *Registry) ReadThrough(id metric.Identifier, namespace string, now time.Time) error {
	r.mu.RLock()
	w := r.wants[id]
	if w != nil {
		w.lastRead.Store(now.UnixNano())
	}
	r.mu.RUnlock()
	if w != nil {
		return nil
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	w, err := r.get(id, namespace)
	if err != nil {
		r.rejections.Add(1)
		return err
	}
	w.lastRead.Store(now.UnixNano())
	return nil
}

// Reference replaces what the HPA with the key NAMESPACE/NAME references. It
// returns the metrics that nobody wanted before, which are worth evaluating at once.
//
// A reference makes room for itself by dropping the metric that was read
// longest ago and that no HPA references; the reference that still does not fit
// is left out and named in err. Calling Reference again tries again.
func (r *Registry) Reference(key string, ids []metric.Identifier) (added []metric.Identifier, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	namespace, _, _ := strings.Cut(key, "/")
	old := r.references[key]
	var kept []metric.Identifier
	for _, id := range ids {
		if slices.Contains(kept, id) {
			continue
		}
		_, known := r.wants[id]
		w, e := r.get(id, namespace)
		if metric.ReasonOf(e) == metric.LimitReached && r.makeRoom(namespace) {
			w, e = r.get(id, namespace)
		}
		if e != nil {
			err = fmt.Errorf("%s, referenced by HPA %s, is not evaluated ahead of its reads: %w", id, key, e)
			r.rejections.Add(1)
			continue
		}
		w.references++
		kept = append(kept, id)
		if !known {
			added = append(added, id)
		}
	}
	for _, id := range old {
		w := r.wants[id]
		w.references--
		if w.references == 0 && w.lastRead.Load() == 0 {
			r.remove(id)
		}
	}
	delete(r.references, key)
	if len(kept) > 0 {
		r.references[key] = kept
	}
	return added, err
}

// Expire drops what was only read, and not since now - Idle, and returns it.
func (r *Registry) Expire(now time.Time) []metric.Identifier {
	r.mu.Lock()
	defer r.mu.Unlock()
	var gone []metric.Identifier
	for id, w := range r.wants {
		if w.references == 0 && now.UnixNano()-w.lastRead.Load() > int64(r.limits.Idle) {
			r.remove(id)
			gone = append(gone, id)
		}
	}
	return gone
}

// Wanted returns what is wanted, in no particular order.
func (r *Registry) Wanted() []metric.Identifier {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.AppendSeq(make([]metric.Identifier, 0, len(r.wants)), maps.Keys(r.wants))
}

// Want is a wanted metric, and who wants it.
type Want struct {
	ID metric.Identifier
	// HPAs are those that reference it, as NAMESPACE/NAME, sorted.
	HPAs []string
	// Read is when it was read last; zero if it never was.
	Read time.Time
}

// In returns what is wanted of a namespace or by HPAs in it, with these HPAs and no others, in
// no particular order. Empty is all namespaces. It walks all wants.
func (r *Registry) In(namespace string) []Want {
	r.mu.RLock()
	defer r.mu.RUnlock()
	by := map[metric.Identifier][]string{}
	for key, ids := range r.references {
		if in, _, _ := strings.Cut(key, "/"); namespace != "" && in != namespace {
			continue
		}
		for _, id := range ids {
			by[id] = append(by[id], key)
		}
	}
	var found []Want
	for id, w := range r.wants {
		hpas := by[id]
		if namespace != "" && Home(id) != namespace && len(hpas) == 0 {
			continue
		}
		slices.Sort(hpas)
		one := Want{ID: id, HPAs: hpas}
		if read := w.lastRead.Load(); read != 0 {
			one.Read = time.Unix(0, read)
		}
		found = append(found, one)
	}
	return found
}

// Home is the one namespace that a metric is of; empty for those of root-scoped objects, which
// are of none. A Namespace object's is its own.
func Home(id metric.Identifier) string {
	if id.Namespace == "" && id.Resource == (schema.GroupResource{Resource: "namespaces"}) {
		return id.Name
	}
	return id.Namespace
}

// Referenced says whether an HPA references id.
func (r *Registry) Referenced(id metric.Identifier) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	w := r.wants[id]
	return w != nil && w.references > 0
}

// Has says whether anybody wants id.
func (r *Registry) Has(id metric.Identifier) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.wants[id]
	return ok
}

// Stats sums up the demand.
type Stats struct {
	Wanted     int   // identifiers
	Referenced int   // of these, referenced by an HPA
	Rejections int64 // reads and references refused since the start
}

// Stats returns the sums.
func (r *Registry) Stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := Stats{Wanted: len(r.wants), Rejections: r.rejections.Load()}
	for _, w := range r.wants {
		if w.references > 0 {
			st.Referenced++
		}
	}
	return st
}

// get returns the want of id and makes it where there is room in namespace.
func (r *Registry) get(id metric.Identifier, namespace string) (*want, error) {
	if w := r.wants[id]; w != nil {
		return w, nil
	}
	switch {
	case length(id) > maxLength:
		return nil, metric.Errorf(metric.Invalid, "the selectors and names of one metric may have %d bytes together, these have %d: use fewer values", maxLength, length(id))
	case len(r.wants) >= r.limits.Total:
		return nil, metric.Errorf(metric.LimitReached, "%d distinct metrics are wanted already, the limit of --max-wanted: use fewer distinct selectors, or raise it", r.limits.Total)
	case r.perNamespace[namespace] >= r.limits.PerNamespace:
		return nil, metric.Errorf(metric.LimitReached, "%d distinct metrics asked for through %s are wanted already, the limit of --max-wanted-per-namespace: use fewer distinct selectors, or raise it", r.limits.PerNamespace, place(namespace))
	}
	w := &want{namespace: namespace}
	r.wants[id] = w
	r.perNamespace[namespace]++
	return w, nil
}

// maxLength bounds an identifier, in bytes. A selector of an HPA has some hundred; a
// request can carry a megabyte, and what is wanted is kept in several places.
const maxLength = 8 << 10

func length(id metric.Identifier) int {
	return len(id.Metric) + len(id.Namespace) + len(id.Resource.Group) + len(id.Resource.Resource) + len(id.Name) + len(id.Selector) + len(id.MetricSelector)
}

func place(namespace string) string {
	if namespace == "" {
		return "no namespace"
	}
	return fmt.Sprintf("namespace %q", namespace)
}

// makeRoom drops the metric whose going would let another one into namespace and
// that was read longest ago. It walks all wants: this happens only at a limit, for
// an HPA.
func (r *Registry) makeRoom(namespace string) bool {
	sameNamespace := r.perNamespace[namespace] >= r.limits.PerNamespace
	var victim metric.Identifier
	var oldest int64
	found := false
	for other, w := range r.wants {
		if w.references > 0 || sameNamespace && w.namespace != namespace {
			continue
		}
		if read := w.lastRead.Load(); !found || read < oldest {
			victim, oldest, found = other, read, true
		}
	}
	if found {
		r.remove(victim)
	}
	return found
}

func (r *Registry) remove(id metric.Identifier) {
	namespace := r.wants[id].namespace
	delete(r.wants, id)
	r.perNamespace[namespace]--
	if r.perNamespace[namespace] == 0 {
		delete(r.perNamespace, namespace)
	}
}
