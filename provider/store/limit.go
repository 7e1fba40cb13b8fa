package store

import (
	"cmp"
	"slices"

	"github.com/loadline/loadline/provider/metric"
)

// Limits bound what a store holds.
type Limits struct {
	// Values of all metrics together, at most; 0 for no bound. Data that metrics
	// share counts once.
	Values int
	// Referenced metrics come first: what others hold gives way to them. It must
	// not call the store. Nil means that none is.
	Referenced func(metric.Identifier) bool
}

// Refused is the error of a metric whose values do not fit into limit.
func Refused(values, limit int) error {
	return metric.Errorf(metric.LimitReached, "its %d values do not fit into --max-values-held=%d: use fewer distinct selectors, aggregate further in the query, or raise it together with the memory limit", values, limit)
}

// release takes what e's snapshot holds out of the sums. The snapshot itself stays
// until the caller replaces it, so that readers never find a gap.
func (s *Store) release(e *entry) {
	snap := e.snapshot.Load()
	if snap == nil || snap.Data == nil {
		return
	}
	s.held[snap.Data]--
	if s.held[snap.Data] == 0 {
		delete(s.held, snap.Data)
		s.values -= snap.Data.size()
	}
}

// makeRoom makes need values fit, or says why they do not. What takers held is
// released already.
func (s *Store) makeRoom(need int, takers map[metric.Identifier]*entry) error {
	missing := s.values + need - s.limits.Values
	if s.limits.Values == 0 || missing <= 0 {
		return nil
	}
	referenced := false
	for id := range takers {
		referenced = referenced || s.referenced(id)
	}
	var victims []victim
	if referenced {
		victims = s.victims(missing, takers)
	}
	if victims == nil {
		return Refused(need, s.limits.Values)
	}
	gone := metric.Errorf(metric.LimitReached, "its values gave way to those of metrics that HPAs reference, at the limit of --max-values-held=%d: use fewer distinct selectors, aggregate further in the query, or raise it together with the memory limit", s.limits.Values)
	for _, v := range victims {
		for _, e := range v.entries {
			s.release(e)
			s.rejections++
			e.put(&Snapshot{Err: gone, Attempted: e.attempted()})
		}
	}
	return nil
}

// victim is data that no HPA references, and where it is held.
type victim struct {
	data    *Data
	entries []*entry
	first   string // the smallest identifier, so that the order is not chance
}

// victims chooses what has to go so that missing values fit: the largest first, so
// that few have to. Nil where all of it would not be enough; then nothing has to.
func (s *Store) victims(missing int, takers map[metric.Identifier]*entry) []victim {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, kept := map[*Data]*victim{}, map[*Data]bool{}
	for id, e := range s.entries {
		snap := e.snapshot.Load()
		if _, taker := takers[id]; taker || snap == nil || snap.Data == nil || snap.Data.size() == 0 {
			continue
		}
		if s.referenced(id) {
			kept[snap.Data] = true
			continue
		}
		v := found[snap.Data]
		if v == nil {
			v = &victim{data: snap.Data, first: id.String()}
			found[snap.Data] = v
		}
		v.entries, v.first = append(v.entries, e), min(v.first, id.String())
	}
	all := make([]victim, 0, len(found))
	for data, v := range found {
		if !kept[data] {
			all = append(all, *v)
		}
	}
	slices.SortFunc(all, func(a, b victim) int {
		return cmp.Or(cmp.Compare(b.data.size(), a.data.size()), cmp.Compare(a.first, b.first))
	})
	for i, v := range all {
		if missing -= v.data.size(); missing <= 0 {
			return all[:i+1]
		}
	}
	return nil
}

func (s *Store) referenced(id metric.Identifier) bool {
	return s.limits.Referenced != nil && s.limits.Referenced(id)
}

// Stats sums up what is held.
type Stats struct {
	Metrics int // identifiers with a snapshot
	Values  int // values of all of them; data that they share counts once
	Limit   int // of Values; 0 for none
	// Rejections since the start: attempts whose values were not kept, and data
	// that gave way.
	Rejections int64
}

// Stats returns the sums. It is meant for scrapes, not for reads.
func (s *Store) Stats() Stats {
	s.writes.Lock()
	defer s.writes.Unlock()
	st := Stats{Values: s.values, Limit: s.limits.Values, Rejections: s.rejections}
	s.Each(func(metric.Identifier, *Snapshot) { st.Metrics++ })
	return st
}
