package eval

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

// fickle is a source for random queries, which counts what is under way.
type fickle struct {
	t     *testing.T
	slots int

	mu                    sync.Mutex
	random                *rand.Rand
	behaves               string // "answers", "hangs", "refuses" or "varies"
	jobs                  map[string]*job
	done                  map[string]int
	busy, suspects, reads int
}

func (f *fickle) n(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// count adds d to what is under way, and checks the limits.
func (f *fickle) count(j *job, d int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy += d
	if j.record == suspect {
		f.suspects += d
	}
	if !j.flow.referenced {
		f.reads += d
	}
	if f.busy > f.slots || f.suspects > max(1, f.slots/2) || f.reads > max(1, f.slots-max(1, f.slots/4)) {
		f.t.Errorf("with %d slots: %d under way, of them %d suspects and %d reads", f.slots, f.busy, f.suspects, f.reads)
	}
}

func (f *fickle) send(ctx context.Context, q plan.Query) error {
	f.mu.Lock()
	j, behaves := f.jobs[q.Rule], f.behaves
	f.mu.Unlock()
	f.count(j, 1)
	defer f.count(j, -1)
	if behaves == "varies" {
		behaves = []string{"answers", "hangs", "refuses", "breaks"}[f.n(4)]
	}
	takes := time.Duration(f.n(6000)) * time.Millisecond
	var err error
	switch behaves {
	case "hangs":
		takes, err = 5*time.Second, &source.Error{Kind: source.Timeout}
	case "breaks":
		takes, err = 0, &source.Error{Kind: source.Unavailable}
	case "refuses":
		err = &source.Error{Kind: source.Rejected}
	}
	select {
	case <-time.After(takes):
		return err
	case <-ctx.Done():
		return &source.Error{Kind: source.Canceled, Err: ctx.Err()}
	}
}

// add adds up to 11 random jobs, some of them for the same metrics.
func (f *fickle) add(d *dispatcher, ctxs []context.Context) {
	var jobs []*job
	for range f.n(12) {
		f.mu.Lock()
		r, name := f.random, fmt.Sprint(len(f.jobs))
		j := &job{
			ctx: ctxs[r.IntN(len(ctxs))], queued: time.Now(), record: record(r.IntN(int(records))),
			flow:  flow{referenced: r.IntN(2) == 0, first: r.IntN(3) == 0, namespace: fmt.Sprint(r.IntN(5))},
			query: plan.Query{Rule: name, For: []metric.Identifier{{Metric: fmt.Sprint(r.IntN(20))}, {Metric: fmt.Sprint(r.IntN(20))}}},
			done:  func(error) { f.mu.Lock(); f.done[name]++; f.mu.Unlock() },
		}
		if j.record != untried {
			j.since = time.Now().Add(-time.Duration(r.IntN(100)) * time.Second)
		}
		f.jobs[name] = j
		f.mu.Unlock()
		jobs = append(jobs, j)
	}
	d.add(jobs)
}

// check looks for what must hold whenever nothing happens.
func (f *fickle) check(d *dispatcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := &d.queue
	if busy := q.hpas.busy() + q.reads.busy(); busy > f.slots || q.lost() >= q.most() {
		f.t.Errorf("with %d slots: %d in use, of them %d lost", f.slots, busy, q.lost())
	} else if busy == q.lost() && !q.idle() {
		f.t.Errorf("with %d slots, %d lost: some wait and none is sent", f.slots, q.lost())
	}
	if q.idle() && len(d.underWay) > 0 {
		f.t.Errorf("idle, and under way are %v", d.underWay)
	}
}

// Whatever is wanted and however queries end: no more are under way than there are
// slots, suspects have no more than half of them and reads leave a quarter, something is
// under way as long as something waits, and each job ends once.
func TestDispatcherKeepsItsLimits(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { keepsItsLimits(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func keepsItsLimits(t *testing.T, random *rand.Rand) {
	f := &fickle{t: t, slots: []int{1, 2, 3, 4, 5, 8, 16}[random.IntN(7)], random: random, jobs: map[string]*job{}, done: map[string]int{}}
	d := newDispatcher(f.slots, f.send, func() {})
	short, cancel := context.WithCancel(t.Context())
	defer cancel()
	for step := range 200 {
		switch op := f.n(20); {
		case op < 8:
			f.add(d, []context.Context{t.Context(), short})
		case op < 14:
			time.Sleep(time.Duration(f.n(12)) * time.Second)
		case op == 14:
			d.expire(time.Now().Add(-20 * time.Second))
		case op == 15 && step > 150:
			cancel()
			d.cancel()
		case op == 16:
			began := d.look()
			began.answers -= f.n(2)
			d.observe(outcome{asks: f.n(3) > 0, proven: f.n(2) == 0, Result: Result{Unreachable: f.n(2), Err: errors.New("x")}}, began)
		case op == 17:
			behaves := []string{"answers", "hangs", "refuses", "varies"}[f.n(4)]
			f.mu.Lock()
			f.behaves = behaves
			f.mu.Unlock()
		}
		synctest.Wait()
		f.check(d)
	}
	f.mu.Lock()
	f.behaves = "answers"
	f.mu.Unlock()
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	if !d.idle() || len(d.underWay) > 0 || f.busy != 0 {
		t.Errorf("at the end %d are under way: %+v", f.busy, d.queue)
	}
	if len(f.done) != len(f.jobs) {
		t.Errorf("%d of %d ended", len(f.done), len(f.jobs))
	}
	for name, n := range f.done {
		if n != 1 {
			t.Errorf("%s ended %d times", name, n)
		}
	}
}

// What a look tells of the source where too few queries were lost for their number, and
// what becomes of a job that waits.
func TestObserve(t *testing.T) {
	away := errors.New("away")
	lost := Result{Unreachable: 1, Err: away}
	for name, tc := range map[string]struct {
		before   health
		answered bool // since the look began
		proven   bool // something wanted is
		outcome  outcome
		want     health
	}{
		"nothing was answered":               {health{asked: true}, false, true, outcome{Result: lost, asks: true, proven: true}, health{asked: true, away: away}},
		"something was":                      {health{asked: true}, true, true, outcome{Result: lost, asks: true, proven: true}, health{asked: true, answers: 1}},
		"all that could tell was under way":  {health{asked: true, away: away}, false, true, outcome{asks: true}, health{asked: true, away: away}},
		"only what cannot tell was sent":     {health{asked: true}, false, true, outcome{Result: lost, asks: true}, health{asked: true}},
		"nothing is known that can":          {health{asked: true}, false, false, outcome{Result: lost, asks: true}, health{asked: true, away: away}},
		"nothing is wanted that has a query": {health{asked: true, away: away}, false, false, outcome{}, health{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDispatcher(1, func(context.Context, plan.Query) error { return nil }, func() {})
			d.health = tc.before
			if tc.proven {
				d.queue.prove()
			}
			began := d.look()
			if tc.answered {
				d.answers++
			}
			var ended []error
			d.queue.hpas.underWay[untried] = 1 // has the slot
			d.add([]*job{{done: func(err error) { ended = append(ended, err) }}})
			d.observe(tc.outcome, began)
			if got := d.state(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if dropped := tc.want.away != nil && tc.outcome.Unreachable > 0; dropped != (len(ended) == 1 && errors.As(ended[0], new(*notSent))) {
				t.Errorf("what waited ended with %v", ended)
			}
		})
	}
}

// As long as something wanted is proven, only that tells whether the source is away, and
// only if nothing was answered since it was sent. What else is lost raises a doubt, and
// so does the first sign that the source is away.
func TestWhichLossesTell(t *testing.T) {
	d := newDispatcher(8, nil, nil)
	d.queue.prove()
	end := func(n int, r record, heard int) (doubts int) {
		for range n {
			d.queue.hpas.underWay[r]++
			d.account(&job{record: r, heard: heard}, timeout)
		}
		defer func() { d.doubt = make(chan struct{}, 1) }()
		return len(d.doubt)
	}
	if n := end(20, suspect, 0); n > 0 || d.away != nil {
		t.Errorf("after suspects: %d doubts, away %v", n, d.away)
	}
	if n := end(d.queue.tries(), untried, 0); n != 1 || d.away != nil || d.queue.lost() > 0 {
		t.Errorf("after untried ones: %d doubts, away %v, %d lost", n, d.away, d.queue.lost())
	}
	d.answers++
	if n := end(20, proven, 0); n > 0 || d.away != nil || d.queue.lost() > 0 {
		t.Errorf("after proven ones that were sent before an answer: %d doubts, away %v, %d lost", n, d.away, d.queue.lost())
	}
	if n := end(d.queue.most(), proven, 1); n != 1 || d.away == nil {
		t.Errorf("after as many proven ones as it takes: %d doubts, away %v", n, d.away)
	}
	if n := end(20, untried, 1); n > 0 || d.away == nil {
		t.Errorf("while it is away: %d doubts", n)
	}
}
