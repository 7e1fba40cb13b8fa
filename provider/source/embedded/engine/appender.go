package engine

import (
	"errors"
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// appender takes the samples of one scrape.
type appender struct {
	storage.AppenderV2
	engine *Engine
	head   *head
	target string
	began  int64 // in milliseconds
	keep   func(name string) bool
	done   func() // with the head
	some   bool   // there are values
	any    bool   // there are samples, which may only say that a series has ended
}

// Append implements storage.AppenderV2. A series that is not kept is left out as though it
// had been taken, with no reference. One that was kept before fails as one out of order does,
// which a scrape takes for its end.
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	const numbers = 1<<generationBits - 1
	if t > a.began+jump.Milliseconds() {
		// A scrape loop goes on by the time at which it began when the clock is set back.
		t = a.began
	}
	if ref&^numbers == a.head.generation && a.head.holds(chunks.HeadSeriesRef(ref&numbers)) {
		ref &= numbers
	} else {
		ref = 0 // of another head, or forgotten while its target was away: it needs room anew
	}
	isNew := false
	switch kept := a.keep(ls.Get(model.MetricNameLabel)); {
	case !kept && ref == 0:
		return 0, nil
	case !kept && !value.IsStaleNaN(v):
		return 0, errUnwanted
	case ref == 0:
		// Prometheus' index brings in order in place what is made at the same time, below
		// queries that read it. So one series is made after the other.
		a.head.making.Lock()
		defer a.head.making.Unlock()
		var err error
		if ref, isNew, err = a.admit(ls); err != nil {
			return 0, err
		}
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err != nil {
		return 0, err
	}
	if isNew {
		a.head.own(chunks.HeadSeriesRef(ref), a.target)
	}
	a.any = true
	a.some = a.some || !value.IsStaleNaN(v)
	return ref | a.head.generation, nil
}

// admit finds a series that is held already, or room for one that is not. Of a target that
// keeps what it has, it is left out as one that comes too late is: that costs the scrape
// nothing else.
func (a *appender) admit(ls labels.Labels) (ref storage.SeriesRef, isNew bool, err error) {
	if known, ok := a.AppenderV2.(storage.GetRef); ok {
		if ref, _ := known.GetRef(ls, ls.Hash()); ref != 0 {
			return ref, false, nil
		}
	}
	err = a.head.admit(a.target, a.engine.config.Now())
	if errors.Is(err, errNoRoom) {
		err = fmt.Errorf("%w: %w", storage.ErrOutOfBounds, err)
	}
	return 0, true, err
}

// Commit implements storage.AppenderV2.
func (a *appender) Commit() error {
	defer a.done()
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	if a.some {
		a.head.settle(a.target)
	}
	if a.any {
		a.engine.config.Committed(a.target)
	}
	return nil
}

// Rollback implements storage.AppenderV2.
func (a *appender) Rollback() error {
	defer a.done()
	return a.AppenderV2.Rollback()
}
