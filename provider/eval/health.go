package eval

import (
	"time"

	"github.com/loadline/loadline/provider/source"
)

// health is what queries showed of the source.
type health struct {
	asked   bool  // whether away is known
	away    error // why the source counts as away; nil if it answers
	answers int   // so far
}

// observe draws the conclusions from a look at everything wanted, given what was known
// when it began: fewer queries than it takes to tell an outage by their number tell it
// when all that are proven (or all, if nothing is) were lost and nothing else was
// answered.
func (d *dispatcher) observe(o outcome, began health) {
	d.mu.Lock()
	var gone []*job
	switch {
	case d.answers > began.answers:
	case o.Unreachable > 0 && (o.proven || d.queue.proofs == 0):
		gone = d.leave(o.Err)
	case !o.asks: // nothing is wanted that has one
		d.asked, d.away = false, nil
	}
	d.fill()
	d.mu.Unlock()
	for _, g := range gone {
		g.done(&notSent{ofOutage(o.Err)})
	}
}

// look notes that everything wanted is about to be looked at.
func (d *dispatcher) look() health {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue.look()
	return d.health
}

func (d *dispatcher) state() health {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.health
}

// Outage returns why the source counts as away, without what it sent: no query got an
// answer, of as many in a row as what is only read may have under way, or of the newest
// evaluation of everything. As long as something wanted was answered the last time it was
// asked, only such queries count. Nil from the next answer on, and when it was not asked.
func (e *Evaluator) Outage() error { return e.dispatcher.state().away }

// Up says whether the source answers, if only with a refusal: queries in the newest
// evaluation or, if that had none to send, the newest discovery of series. It is not
// known until one of them has asked.
func (e *Evaluator) Up() (up, known bool) {
	if h := e.dispatcher.state(); h.asked {
		return h.away == nil, true
	}
	if e.opts.Discovered == nil {
		return false, false
	}
	done, err := e.opts.Discovered()
	return done && !source.Unanswered(err), done
}

// Beat is when Run last showed that it is alive: that everything wanted is looked at
// each interval and that queries, where there are any, end. It keeps to the monotonic
// clock if Options.Now does.
func (e *Evaluator) Beat() time.Time {
	looked, worked := *e.looked.Load(), *e.worked.Load()
	if looked.Before(worked) {
		return looked
	}
	return worked
}
