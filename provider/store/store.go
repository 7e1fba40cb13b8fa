// Package store keeps the newest evaluation of every wanted metric.
//
// Snapshots are immutable: they are replaced as a whole and may be read by any
// number of readers at once. A reader of a warm metric touches a map and an
// atomic pointer and never a source.
package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/metric"
)

// Value is one value as the metrics APIs serve it.
type Value struct {
	Quantity resource.Quantity
	// Time is the evaluation time that the source stamped on the sample.
	Time time.Time
	// Labels of the sample, for external metrics only.
	Labels map[string]string
}

// Data is what one successful evaluation gave. A successful evaluation may hold
// nothing: then the source was asked and has no sample.
type Data struct {
	// Evaluated is our own clock just before the source was asked, so that the
	// age of a value never looks younger than it is.
	Evaluated time.Time
	// Objects: value by the name of the described object (custom metrics).
	Objects map[string]Value
	// Bad: why the source's answer has no usable value for an object.
	Bad map[string]error
	// Series: one value a series (external metrics).
	Series []Value
	// Window of the query's range selectors; 0 where the query has none or
	// where it cannot be told.
	Window time.Duration
	// PromQL that was sent, for messages.
	PromQL string
}

// Snapshot is the state of one metric: the newest data, and how the newest
// attempt ended. Both can be there: a source that went away leaves the last
// data, which is served up to its bound.
type Snapshot struct {
	Data *Data // nil until an attempt succeeded
	// Err of the newest attempt; nil if it succeeded.
	Err error
	// Attempted is when the newest attempt began.
	Attempted time.Time
}

// Store maps identifiers to snapshots. The zero value is not usable; see New.
type Store struct {
	mu      sync.RWMutex
	entries map[metric.Identifier]*entry
}

type entry struct {
	snapshot atomic.Pointer[Snapshot]
	first    chan struct{} // closed when the first snapshot is there
	once     sync.Once
}

// New returns an empty store.
func New() *Store {
	return &Store{entries: map[metric.Identifier]*entry{}}
}

// Get returns the newest snapshot, or nil where nothing was evaluated yet.
func (s *Store) Get(id metric.Identifier) *Snapshot {
	s.mu.RLock()
	e := s.entries[id]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	return e.snapshot.Load()
}

// Wait returns the snapshot of id as soon as there is one, or ctx's error.
func (s *Store) Wait(ctx context.Context, id metric.Identifier) (*Snapshot, error) {
	e := s.entry(id)
	select {
	case <-e.first:
		return e.snapshot.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Succeed replaces the snapshot of id. An attempt that began before the one
// that is already stored is dropped: results may arrive out of order.
func (s *Store) Succeed(id metric.Identifier, d *Data) {
	s.put(id, d.Evaluated, func(*Snapshot) *Snapshot {
		return &Snapshot{Data: d, Attempted: d.Evaluated}
	})
}

// Fail records that an attempt which began at attempted ended with err. Data of
// an earlier attempt stays; its age tells the reader whether it still serves.
func (s *Store) Fail(id metric.Identifier, attempted time.Time, err error) {
	s.put(id, attempted, func(old *Snapshot) *Snapshot {
		next := &Snapshot{Err: err, Attempted: attempted}
		if old != nil {
			next.Data = old.Data
		}
		return next
	})
}

func (s *Store) put(id metric.Identifier, attempted time.Time, next func(*Snapshot) *Snapshot) {
	e := s.entry(id)
	for {
		old := e.snapshot.Load()
		if old != nil && attempted.Before(old.Attempted) {
			return
		}
		if e.snapshot.CompareAndSwap(old, next(old)) {
			e.once.Do(func() { close(e.first) })
			return
		}
	}
}

func (s *Store) entry(id metric.Identifier) *entry {
	s.mu.RLock()
	e := s.entries[id]
	s.mu.RUnlock()
	if e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e = s.entries[id]; e == nil {
		e = &entry{first: make(chan struct{})}
		s.entries[id] = e
	}
	return e
}

// Retain drops every metric that keep refuses.
func (s *Store) Retain(keep func(metric.Identifier) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.entries {
		if !keep(id) {
			delete(s.entries, id)
		}
	}
}

// Stats sums up what is held.
type Stats struct {
	Metrics int // identifiers with a snapshot
	Values  int // values of all of them
	// Oldest is the evaluation time of the oldest data held; zero without data.
	Oldest time.Time
}

// Stats walks the store. It is meant for scrapes, not for reads.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var st Stats
	for _, e := range s.entries {
		snap := e.snapshot.Load()
		if snap == nil {
			continue
		}
		st.Metrics++
		if snap.Data == nil {
			continue
		}
		st.Values += len(snap.Data.Objects) + len(snap.Data.Series)
		if st.Oldest.IsZero() || snap.Data.Evaluated.Before(st.Oldest) {
			st.Oldest = snap.Data.Evaluated
		}
	}
	return st
}
