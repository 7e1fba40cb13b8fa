// Package store keeps the newest evaluation of every wanted metric, within a
// bound of values.
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

	"github.com/loadline/loadline/provider/metric"
)

// Store maps identifiers to snapshots. The zero value is not usable; see New.
type Store struct {
	limits Limits

	mu      sync.RWMutex // the map; taken inside writes, never the other way round
	entries map[metric.Identifier]*entry

	writes     sync.Mutex // changes of snapshots, and what follows
	held       map[*Data]int
	values     int // of all data in held
	rejections int64
}

type entry struct {
	snapshot atomic.Pointer[Snapshot]
	first    chan struct{} // closed when the first snapshot is there
	once     sync.Once
}

// New returns an empty store without a bound.
func New() *Store { return NewLimited(Limits{}) }

// NewLimited returns an empty store that keeps to l.
func NewLimited(l Limits) *Store {
	return &Store{limits: l, entries: map[metric.Identifier]*entry{}, held: map[*Data]int{}}
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

// Succeed replaces the snapshot of id by d. See Share.
func (s *Store) Succeed(id metric.Identifier, d *Data) { s.Share([]metric.Identifier{id}, d) }

// Share replaces the snapshots of all ids by d. Where an attempt that began after
// d's is already stored, d is dropped: results may arrive out of order.
//
// Data that does not fit into the store's limit is not kept. Then the snapshots
// hold an *metric.Error with reason LimitReached that names the flag.
func (s *Store) Share(ids []metric.Identifier, d *Data) {
	s.writes.Lock()
	defer s.writes.Unlock()
	takers := map[metric.Identifier]*entry{}
	for _, id := range ids {
		if e := s.entry(id); !d.Evaluated.Before(e.attempted()) {
			takers[id] = e
		}
	}
	if len(takers) == 0 {
		return
	}
	for _, e := range takers {
		s.release(e)
	}
	next := &Snapshot{Data: d, Attempted: d.Evaluated}
	if err := s.makeRoom(d.size(), takers); err != nil {
		s.rejections++
		next = &Snapshot{Err: err, Attempted: d.Evaluated}
	} else {
		s.held[d] = len(takers)
		s.values += d.size()
	}
	for _, e := range takers {
		e.put(next)
	}
}

// Fail records that an attempt which began at attempted ended with err. Data of
// an earlier attempt stays if it bridges err; its age tells the reader whether it
// still serves.
func (s *Store) Fail(id metric.Identifier, attempted time.Time, err error) {
	s.writes.Lock()
	defer s.writes.Unlock()
	e := s.entry(id)
	if attempted.Before(e.attempted()) {
		return
	}
	next := &Snapshot{Err: err, Attempted: attempted}
	if !Bridged(err) {
		s.release(e)
	} else if old := e.snapshot.Load(); old != nil {
		next.Data = old.Data
	}
	if metric.ReasonOf(err) == metric.LimitReached {
		s.rejections++
	}
	e.put(next)
}

// attempted is when the newest attempt began; zero before the first.
func (e *entry) attempted() time.Time {
	if s := e.snapshot.Load(); s != nil {
		return s.Attempted
	}
	return time.Time{}
}

func (e *entry) put(s *Snapshot) {
	e.snapshot.Store(s)
	e.once.Do(func() { close(e.first) })
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
	s.writes.Lock()
	defer s.writes.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.entries {
		if !keep(id) {
			s.release(e)
			delete(s.entries, id)
		}
	}
}

// Forget drops what is known of every metric that gone says, as though it had not been
// evaluated yet. Whoever waits for its first snapshot goes on waiting.
func (s *Store) Forget(gone func(metric.Identifier) bool) {
	s.writes.Lock()
	defer s.writes.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.entries {
		if e.snapshot.Load() != nil && gone(id) {
			s.release(e)
			delete(s.entries, id)
		}
	}
}

// Each calls f for every metric that has a snapshot, in no particular order. It is
// meant for scrapes, not for reads.
func (s *Store) Each(f func(metric.Identifier, *Snapshot)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, e := range s.entries {
		if snap := e.snapshot.Load(); snap != nil {
			f(id, snap)
		}
	}
}
