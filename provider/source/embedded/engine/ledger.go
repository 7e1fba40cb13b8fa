package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// errFull ends the scrape of a target of which nothing is held, when there is no room.
var errFull = errors.New("there is no room for the series of another target")

// errUnwanted ends a series that is not kept any more. It is the one error for which a scrape
// leaves out a sample of its own, such as up, and no more than that.
var errUnwanted = fmt.Errorf("%w: it is not kept any more", storage.ErrOutOfOrderSample)

// errNoRoom is for a series more of a target that stays as it is.
var errNoRoom = errors.New("there is no room for another series of this target")

// ledger knows whose series are held. It counts what the head has: also series of scrapes
// that failed, and those that have ended, until the head forgets them.
type ledger struct {
	most, mostEach int

	mu      sync.RWMutex
	owners  map[chunks.HeadSeriesRef]*holder
	holders map[string]*holder
}

// holder is a target.
type holder struct {
	name    string
	series  int
	settled bool // it has samples that can be queried
	refused time.Time
	why     error
	own     bool // that is for the bound of one target
}

func newLedger(most, mostEach int) *ledger {
	return &ledger{most: most, mostEach: mostEach, owners: map[chunks.HeadSeriesRef]*holder{}, holders: map[string]*holder{}}
}

func (l *ledger) holder(name string) *holder {
	h := l.holders[name]
	if h == nil {
		h = &holder{name: name}
		l.holders[name] = h
	}
	return h
}

// admit says whether a target may have one series more. A target that is new is refused as
// a whole, for a part of its series would be a wrong sum; one of which there are values
// keeps these, and gets no more.
func (l *ledger) admit(name string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holder(name)
	var err error
	switch {
	case l.mostEach > 0 && h.series >= l.mostEach:
		err = fmt.Errorf("%w: it has %d, those of its earlier scrapes among them", errNoRoom, h.series)
	case len(l.owners) < l.most:
		return nil
	case h.settled:
		err = fmt.Errorf("%w: %d are held in all", errNoRoom, len(l.owners))
	default:
		err = fmt.Errorf("%w: %d series are held", errFull, len(l.owners))
	}
	h.refused, h.why, h.own = now, err, l.mostEach > 0 && h.series >= l.mostEach
	return err
}

// own notes whose a series is: that of whoever had it first.
func (l *ledger) own(ref chunks.HeadSeriesRef, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[ref] == nil {
		h := l.holder(name)
		h.series++
		l.owners[ref] = h
	}
}

// holds says whether a series is held.
func (l *ledger) holds(ref chunks.HeadSeriesRef) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.owners[ref] != nil
}

// settle notes that a target's scrape has ended well.
func (l *ledger) settle(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder(name).settled = true
}

// forget drops refusals from before a time, and targets of which nothing is left.
func (l *ledger) forget(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, h := range l.holders {
		if h.refused.Before(before) {
			h.why = nil
		}
		if h.series == 0 && h.why == nil {
			delete(l.holders, name)
		}
	}
}

// PreCreation implements tsdb.SeriesLifecycleCallback.
func (l *ledger) PreCreation(labels.Labels) error { return nil }

// PostCreation implements tsdb.SeriesLifecycleCallback.
func (l *ledger) PostCreation(labels.Labels) {}

// PostDeletion implements tsdb.SeriesLifecycleCallback.
func (l *ledger) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref := range gone {
		if h := l.owners[ref]; h != nil {
			h.series--
			delete(l.owners, ref)
		}
	}
}

// Refusal is a target of which series were refused for want of room.
type Refusal struct {
	Target string
	Why    string
	At     time.Time
	// Partly: it keeps the series that it has, and only more of them are refused.
	Partly bool
	// Own: it met the bound of one target, and not that of all series.
	Own bool
}

// Holding sums up what is held.
type Holding struct {
	Series  int            // in all
	Targets map[string]int // series of each target
	Refused []Refusal      // of the last minutes, by target
}

func (l *ledger) holding() Holding {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Holding{Series: len(l.owners), Targets: make(map[string]int, len(l.holders))}
	for name, h := range l.holders {
		if h.series > 0 {
			out.Targets[name] = h.series
		}
		if h.why != nil {
			out.Refused = append(out.Refused, Refusal{Target: name, Why: h.why.Error(), At: h.refused, Partly: errors.Is(h.why, errNoRoom), Own: h.own})
		}
	}
	slices.SortFunc(out.Refused, func(a, b Refusal) int { return cmp.Compare(a.Target, b.Target) })
	return out
}
