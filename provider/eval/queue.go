package eval

import (
	"context"
	"time"

	"github.com/loadline/loadline/provider/plan"
)

// job is a query that waits for a slot or has one.
type job struct {
	ctx    context.Context
	query  plan.Query
	flow   flow
	queued time.Time
	since  time.Time // when its query was sent last; zero if it never was
	// suspect: the source left it unanswered the last time it was sent.
	suspect bool
	done    func(error) // is called once, at the end
}

// flow is what takes turns: a namespace, with turns of their own for the first
// evaluations that its readers wait for.
type flow struct {
	referenced bool // by an HPA
	namespace  string
	first      bool
}

// queue decides which query is sent next, on which slot. It is not safe for
// concurrent use.
//
// What it guarantees, with n slots:
//
//   - What HPAs reference goes before what is only read. The latter never has more
//     than three quarters of the slots, so that an HPA's query finds one however slow
//     the others are, and the next free one while it has less than a quarter, so
//     that it comes to its turn as well.
//   - Namespaces take turns: one whose queries are slow or many delays another's query
//     by one query, not by all of them.
//   - What was left unanswered the last time has at most half of the slots, and goes
//     last unless it has less than a quarter.
//   - A slot whose query was lost is not used again until the source answers
//     something: a hung source costs one deadline, however many queries there are.
type queue struct {
	slots    int
	suspects int  // with a slot
	hpas     lane // what HPAs reference
	reads    lane // what is only read
}

// lane is one of the two kinds of demand.
type lane struct {
	underWay       int // with a slot
	lost           int // slots whose query was lost since the newest answer
	fresh, suspect turns
}

func (l *lane) busy() int { return l.underWay + l.lost }

func (q *queue) lane(f flow) *lane {
	if f.referenced {
		return &q.hpas
	}
	return &q.reads
}

// most is how many slots what is only read can have. When as many queries are lost in
// a row, the source counts as away, so that either kind of demand alone can tell.
func (q *queue) most() int { return max(1, q.slots-max(1, q.slots/4)) }

// lost is how many queries in a row were lost.
func (q *queue) lost() int { return q.hpas.lost + q.reads.lost }

// idle says whether nothing waits or is under way.
func (q *queue) idle() bool {
	return q.hpas.underWay+q.reads.underWay+q.hpas.waiting()+q.reads.waiting() == 0
}

func (l *lane) waiting() int { return len(l.fresh.order) + len(l.suspect.order) }

func (q *queue) add(j *job) {
	l := q.lane(j.flow)
	if j.suspect {
		l.suspect.add(j)
	} else {
		l.fresh.add(j)
	}
}

// take gives the next query its slot; nil if there is none that may be sent now.
func (q *queue) take() *job {
	if q.hpas.busy()+q.reads.busy() >= q.slots {
		return nil
	}
	order := []*lane{&q.hpas, &q.reads}
	if q.reads.busy() < q.slots/4 {
		order = []*lane{&q.reads, &q.hpas}
	}
	for _, l := range order {
		if l == &q.reads && l.busy() >= q.most() {
			continue
		}
		if j := q.takeFrom(l); j != nil {
			return j
		}
	}
	return nil
}

func (q *queue) takeFrom(l *lane) *job {
	var j *job
	if q.suspects < q.slots/4 {
		j = l.suspect.take()
	}
	if j == nil {
		j = l.fresh.take()
	}
	if j == nil && q.suspects < max(1, q.slots/2) {
		j = l.suspect.take()
	}
	if j == nil {
		return nil
	}
	l.underWay++
	if j.suspect {
		q.suspects++
	}
	return j
}

// end takes the slot of j back, or keeps it as lost.
func (q *queue) end(j *job, lost bool) {
	l := q.lane(j.flow)
	l.underWay--
	if lost {
		l.lost++
	}
	if j.suspect {
		q.suspects--
	}
}

// found frees the slots that were lost.
func (q *queue) found() { q.hpas.lost, q.reads.lost = 0, 0 }

// remove takes out the waiting jobs that match.
func (q *queue) remove(match func(*job) bool) (out []*job) {
	for _, t := range []*turns{&q.hpas.fresh, &q.hpas.suspect, &q.reads.fresh, &q.reads.suspect} {
		out = append(out, t.remove(match)...)
	}
	return out
}
