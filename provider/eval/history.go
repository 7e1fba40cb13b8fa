package eval

import (
	"errors"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

// history is what the store knows of how a metric's query fared.
type history struct {
	record record
	since  time.Time // of the newest attempt; zero if there was none
	valued time.Time // of the newest value that the source gave; zero if there is none
}

func (e *Evaluator) history(id metric.Identifier) history {
	s := e.opts.Store.Get(id)
	if s == nil {
		return history{}
	}
	h := history{since: s.Attempted}
	if s.Data != nil && s.Data.PromQL != "" { // what has no live object is not asked about
		h.valued = s.Data.Evaluated
	}
	_, sent := errors.AsType[*source.Error](s.Err)
	sent = sent && !errors.As(s.Err, new(*notSent))
	switch {
	case sent && source.Unanswered(s.Err):
		h.record = suspect
	case sent, !h.valued.IsZero():
		h.record = proven
	}
	return h
}

// histories are those of what q is for, and of q itself: it is proven if it is for one
// of them.
func (e *Evaluator) histories(q plan.Query) (each []history, all history) {
	for _, id := range q.For {
		h := e.history(id)
		each = append(each, h)
		switch {
		case all.record == proven:
		case h.record != untried:
			all.record = h.record
		}
		all.since = later(all.since, h.since)
		all.valued = later(all.valued, h.valued)
	}
	return each, all
}

// trust makes those of all proven that gave a value until shortly before the source went
// away: that they were left unanswered since says nothing about them, and they are the
// first to tell that it is back.
func trust(all []history) {
	var newest time.Time
	for _, h := range all {
		newest = later(newest, h.valued)
	}
	for i, h := range all {
		if h.record == suspect && !h.valued.IsZero() && newest.Sub(h.valued) <= maxWait {
			all[i].record = proven
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
