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
	record record
	queued time.Time
	since  time.Time   // when its query was sent last; zero if it never was
	heard  int         // the source's answers when it was sent
	done   func(error) // is called once, at the end
}

// record is how a query fared the last time it was sent.
type record int

const (
	untried record = iota // it never was
	proven                // the source answered it
	suspect               // the source left it unanswered
	records               // how many there are
)

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
// What it guarantees, with n slots, of which a quarter is n/4 and at least one. A single
// slot is shared by turns alone.
//
//   - What HPAs reference goes before what is only read. The latter never has the last
//     quarter of the slots, so that an HPA's query finds one, or waits for one query to
//     end, however many others there are. While it has less than a quarter it gets every
//     fourth turn, so that it comes to its turn as well.
//   - What is untried or suspect never has the last quarter of the slots either, nor, of
//     what is only read, of those that this can have (if that is more than one), as long
//     as something wanted is proven: new queries that hang cannot stop those that are
//     answered.
//   - Untried queries take turns with proven ones until one of them is left
//     unanswered. From then until one is answered they go after proven ones, but for
//     every fourth turn while they have less than a quarter.
//   - Suspects go last, but for every eighth turn while they have less than a quarter.
//     They never have more than half of the slots (one, if there is only one), for
//     which the two kinds of demand take turns.
//   - Among the queries of which one is due by these rules, namespaces take turns, also
//     when what they wanted expired and is queued anew: one whose queries are slow or
//     many delays another's query by one query, not by all of them.
//   - A slot whose query was lost is not used again until the source answers
//     something: a hung source costs few deadlines, however many queries there are.
type queue struct {
	slots     int
	behind    int   // jobs taken since one was that is only read
	proofs    int   // looks for which it holds that something wanted is proven
	suspected *lane // which had a suspect sent last
	hpas      lane  // what HPAs reference
	reads     lane  // what is only read
}

// lane is one of the two kinds of demand.
type lane struct {
	underWay [records]int // with a slot
	lost     int          // slots whose query was lost since the newest answer
	fresh    turns        // what is proven or untried
	suspects turns
	turn     int          // jobs taken so far
	behind   [records]int // jobs taken since one of that record was
	wary     bool         // the untried query that ended last was left unanswered
}

func (l *lane) busy() int {
	return l.unproven() + l.underWay[proven] + l.lost
}

// unproven is how many slots queries have that are not proven.
func (l *lane) unproven() int { return l.underWay[untried] + l.underWay[suspect] }

func (l *lane) waits() bool { return l.fresh.waits() || l.suspects.waits() }

func (q *queue) lane(f flow) *lane {
	if f.referenced {
		return &q.hpas
	}
	return &q.reads
}

// quarter of the slots.
func (q *queue) quarter() int { return max(1, q.slots/4) }

// most is how many slots what is only read can have. When as many queries are lost in
// a row, the source counts as away, so that either kind of demand alone can tell.
func (q *queue) most() int { return max(1, q.slots-q.quarter()) }

// lost is how many queries in a row were lost.
func (q *queue) lost() int { return q.hpas.lost + q.reads.lost }

// idle says whether nothing waits or is under way.
func (q *queue) idle() bool {
	return q.hpas.busy()+q.reads.busy() == q.lost() && !q.hpas.waits() && !q.reads.waits()
}

func (q *queue) add(j *job) {
	if j.record == proven {
		q.prove()
	}
	l := q.lane(j.flow)
	if j.record == suspect {
		l.suspects.add(j)
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
	if q.behind >= 3 && q.reads.busy() < q.quarter() {
		order = []*lane{&q.reads, &q.hpas}
	}
	for _, l := range order {
		if l == &q.reads && l.busy() >= q.most() {
			continue
		}
		if j := q.takeFrom(l); j != nil {
			q.taken(l, j)
			return j
		}
	}
	return nil
}

// taken gives j of l a slot.
func (q *queue) taken(l *lane, j *job) {
	if q.behind++; l == &q.reads {
		q.behind = 0
	}
	for r := range l.behind {
		l.behind[r]++
	}
	l.behind[j.record] = 0
	l.turn++
	l.underWay[j.record]++
	if j.record == suspect {
		q.suspected = l
	}
}

func (q *queue) takeFrom(l *lane) *job {
	is := func(r record) func(*job) bool { return func(j *job) bool { return j.record == r } }
	all := func(*job) bool { return true }
	now := l.turn + 1
	if !q.mayTry(l) {
		return l.fresh.take(now, is(proven))
	}
	maySuspect := q.maySuspect(l)
	var j *job
	if maySuspect && l.behind[suspect] >= 7 && l.underWay[suspect] < q.quarter() {
		j = l.suspects.take(now, all)
	}
	if j == nil && l.wary {
		first := proven
		if l.behind[untried] >= 3 && l.underWay[untried] < q.quarter() {
			first = untried
		}
		j = l.fresh.take(now, is(first))
	}
	if j == nil {
		j = l.fresh.take(now, all)
	}
	if j == nil && maySuspect {
		j = l.suspects.take(now, all)
	}
	return j
}

// mayTry says whether a query of l that is not proven may be sent.
func (q *queue) mayTry(l *lane) bool {
	reads := q.reads.unproven()
	return q.proofs == 0 || q.hpas.unproven()+reads < q.most() && (l == &q.hpas || reads < q.tries())
}

// tries is how many slots untried and suspect queries of what is only read can have.
func (q *queue) tries() int { return max(1, q.most()-q.quarter()) }

// maySuspect says whether a suspect of l may be sent. Where both lanes have some they
// take turns.
func (q *queue) maySuspect(l *lane) bool {
	other := &q.hpas
	if l == other {
		other = &q.reads
	}
	return l.underWay[suspect]+other.underWay[suspect] < max(1, q.slots/2) && (q.suspected != l || !other.suspects.waits())
}

// end takes the slot of j back, or keeps it as lost.
func (q *queue) end(j *job, lost bool) {
	l := q.lane(j.flow)
	l.underWay[j.record]--
	if lost {
		l.lost++
	}
}

// tried notes whether the source answered j.
func (q *queue) tried(j *job, answered bool) {
	if j.record == untried {
		q.lane(j.flow).wary = !answered
	}
	if answered {
		q.prove()
	}
}

// found frees the slots that were lost.
func (q *queue) found() { q.hpas.lost, q.reads.lost = 0, 0 }

// remove takes out the waiting jobs that match.
func (q *queue) remove(match func(*job) bool) (out []*job) {
	for _, t := range []*turns{&q.hpas.fresh, &q.hpas.suspects, &q.reads.fresh, &q.reads.suspects} {
		out = append(out, t.remove(match)...)
	}
	return out
}

// prove notes that something wanted is proven, until the look after the next one.
func (q *queue) prove() { q.proofs = 2 }

// look notes that everything wanted is about to be looked at.
func (q *queue) look() {
	q.proofs = max(0, q.proofs-1)
	if q.hpas.underWay[proven]+q.reads.underWay[proven] > 0 || q.hpas.fresh.has(proven) || q.reads.fresh.has(proven) {
		q.prove()
	}
}
