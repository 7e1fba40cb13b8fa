package eval

import "github.com/loadline/loadline/provider/source"

// health is what the newest evaluation of everything showed of the source.
type health struct {
	asked bool
	away  error // why, if no query got an answer
}

// observe keeps what an evaluation of everything showed.
func (e *Evaluator) observe(r Result) {
	h := &health{asked: r.Answered+r.Unreachable > 0}
	if r.Answered == 0 && r.Unreachable > 0 {
		h.away = r.Err
	}
	e.health.Store(h)
}

// Outage returns why the source counts as away: in the newest evaluation of
// everything, no query got an answer. Nil while it answers, and when it was not
// asked.
func (e *Evaluator) Outage() error { return e.health.Load().away }

// Up says whether the source answers, if only with a refusal: queries in the newest
// evaluation of everything or, if that had none to send, the newest discovery of
// series. It is not known until one of them has asked.
func (e *Evaluator) Up() (up, known bool) {
	if h := e.health.Load(); h.asked {
		return h.away == nil, true
	}
	if e.opts.Discovered == nil {
		return false, false
	}
	done, err := e.opts.Discovered()
	return done && !source.Unanswered(err), done
}
