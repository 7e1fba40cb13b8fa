package eval

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

// dispatcher sends queries in the order of its queue, and learns from how they end
// whether the source is away. Whoever wanted them: all queries pass through here.
type dispatcher struct {
	send  func(context.Context, plan.Query) error
	ended func() // after each query
	// doubt gets a value when the source looks away, so that what is proven is asked.
	doubt chan struct{}

	mu       sync.Mutex
	queue    queue
	underWay map[wanted]int // queries that wait or have a slot
	silent   int            // untried queries left unanswered, since an answer or a doubt
	health
}

// wanted is a metric and the kind of demand by which its query is sent.
type wanted struct {
	id         metric.Identifier
	referenced bool
}

func newDispatcher(slots int, send func(context.Context, plan.Query) error, ended func()) *dispatcher {
	return &dispatcher{
		send: send, ended: ended, doubt: make(chan struct{}, 1),
		queue: queue{slots: slots}, underWay: map[wanted]int{},
	}
}

func (d *dispatcher) add(jobs []*job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range jobs {
		for _, id := range j.query.For {
			d.underWay[wanted{id, j.flow.referenced}]++
		}
		d.queue.add(j)
	}
	d.fill()
}

// cancel ends what waits and whose context has ended.
func (d *dispatcher) cancel() {
	d.drop(func(j *job) bool { return j.ctx.Err() != nil }, &source.Error{Kind: source.Canceled, Text: "it was not asked", Err: context.Canceled})
}

// fill sends what there are slots for.
func (d *dispatcher) fill() {
	for j := d.queue.take(); j != nil; j = d.queue.take() {
		j.heard = d.answers
		go d.work(j)
	}
}

func (d *dispatcher) work(j *job) {
	err := d.send(j.ctx, j.query)
	d.mu.Lock()
	gone := d.account(j, err)
	d.release(j)
	d.fill()
	d.mu.Unlock()
	d.ended()
	for _, g := range gone {
		g.done(&notSent{ofOutage(err)})
	}
	j.done(err)
}

// account draws the conclusions from the end of j. It returns the jobs that are not
// sent because of it.
//
// A source that answered others meanwhile is not away. Nor does it say much that a
// query is left unanswered which never was answered, or not the last time: as long as
// something wanted is proven, only that can tell.
func (d *dispatcher) account(j *job, err error) (gone []*job) {
	unanswered := source.Unanswered(err)
	silent := unanswered && j.heard == d.answers
	lost := silent && (d.away != nil || d.queue.proofs == 0 || j.record == proven)
	d.queue.end(j, lost)
	switch {
	case lost && d.queue.lost() >= d.queue.most():
		gone = d.leave(err)
	case unanswered:
		d.queue.tried(j, false)
		if silent && !lost && j.record == untried {
			d.silent++
		}
		if d.silent >= d.queue.tries() {
			d.suspectSource()
		}
	case source.KindOf(err) == source.Canceled: // by us
	default:
		d.queue.tried(j, true)
		d.queue.found()
		d.asked, d.away, d.silent = true, nil, 0
		d.answers++
	}
	return gone
}

// leave notes that the source is away. It returns what waits, which is not sent: the
// next look at what is wanted tries as many again.
func (d *dispatcher) leave(err error) (gone []*job) {
	if d.away == nil {
		klog.Background().V(1).Info("A source counts as away", "err", err)
		d.suspectSource()
	}
	d.asked, d.away = true, ofOutage(err)
	d.queue.found()
	return d.take(func(*job) bool { return true })
}

// suspectSource asks for a look at what is wanted.
func (d *dispatcher) suspectSource() {
	d.silent = 0
	select {
	case d.doubt <- struct{}{}:
	default:
	}
}

// take takes waiting jobs out of the queue.
func (d *dispatcher) take(match func(*job) bool) []*job {
	jobs := d.queue.remove(match)
	for _, j := range jobs {
		d.release(j)
	}
	return jobs
}

func (d *dispatcher) release(j *job) {
	for _, id := range j.query.For {
		w := wanted{id, j.flow.referenced}
		if d.underWay[w]--; d.underWay[w] == 0 {
			delete(d.underWay, w)
		}
	}
}

// drop ends waiting jobs with err.
func (d *dispatcher) drop(match func(*job) bool, err error) {
	d.mu.Lock()
	jobs := d.take(match)
	d.mu.Unlock()
	for _, j := range jobs {
		j.done(err)
	}
}

// dropRead ends what waits for id as only read, where an HPA references it by now. It is
// queued anew as such, and would only be sent twice; but for a query that others share.
func (d *dispatcher) dropRead(id metric.Identifier) {
	d.mu.Lock()
	waits := d.underWay[wanted{id, false}] > 0
	d.mu.Unlock()
	if waits { // or has a slot, and ends by itself
		d.drop(func(j *job) bool { return !j.flow.referenced && !j.query.Shared() && slices.Contains(j.query.For, id) },
			&source.Error{Kind: source.Canceled, Text: "it is queued as what an HPA references"})
	}
}

// expire ends what has waited since before t. Its objects may be others by now, so
// it is planned anew.
func (d *dispatcher) expire(t time.Time) {
	d.drop(func(j *job) bool { return j.queued.Before(t) }, &overloaded{})
}

// has says whether a query for id waits or has a slot. If an HPA references id, one
// among what is only read does not count, for it may wait for long.
func (d *dispatcher) has(id metric.Identifier, referenced bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.underWay[wanted{id, true}] > 0 || !referenced && d.underWay[wanted{id, false}] > 0
}

// idle says whether no query waits or has a slot.
func (d *dispatcher) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queue.idle()
}
