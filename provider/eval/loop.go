package eval

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/loadline/loadline/provider/metric"
)

// maxWait is how long a query waits for a slot, about: what is left is looked at once
// an interval.
const maxWait = time.Minute

// doubtPause is before a look for which there is a reason other than the interval: what
// gives the reason can come many times a second.
const doubtPause = 500 * time.Millisecond

// Run evaluates until ctx ends, and returns when all it started has ended.
//
// Everything wanted is looked at each interval, and evaluated unless its query of
// before still waits: slow queries delay their like, not the next look. See queue for
// who waits for whom.
func (e *Evaluator) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { e.runSoon(ctx, &wg) })
	ticker := time.NewTicker(e.opts.Interval)
	defer ticker.Stop()
	for {
		e.look(ctx, &wg)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.dispatcher.doubt: // what is proven tells whether it is away
			if !pause(ctx, doubtPause) {
				return
			}
		}
	}
}

// look begins an evaluation of everything wanted.
func (e *Evaluator) look(ctx context.Context, wg *sync.WaitGroup) {
	now := e.opts.Now()
	e.looked.Store(&now)
	if e.dispatcher.idle() {
		e.worked.Store(&now)
	}
	e.opts.Demand.Expire(now)
	e.sharing.expire(now)
	e.changes.retain(func(id metric.Identifier) bool {
		// What is under way can end after the metric is wanted again.
		return e.opts.Demand.Has(id) || e.dispatcher.has(id, false)
	})
	e.planner.Forget()
	e.opts.Store.Retain(e.opts.Demand.Has)
	e.dispatcher.expire(now.Add(-maxWait))
	began := e.dispatcher.look()
	ids, fresh := e.due(now)
	v := e.begin(ctx, ids, mode{})
	if fresh {
		v.has(false)
	}
	wg.Go(func() {
		e.dispatcher.observe(v.told(), began)
		v.wait()
	})
}

// due is what is wanted and is to be evaluated at a look, and whether something else is fresh.
func (e *Evaluator) due(now time.Time) (ids []metric.Identifier, fresh bool) {
	ids = e.opts.Demand.Wanted()
	if e.opts.Fresh <= 0 {
		return ids, false
	}
	n := len(ids)
	ids = slices.DeleteFunc(ids, func(id metric.Identifier) bool {
		s := e.opts.Store.Get(id)
		return s != nil && s.Err == nil && now.Sub(s.Attempted) < e.opts.Fresh && !e.changes.isDue(id)
	})
	return ids, len(ids) < n
}

// Soon evaluates ids without waiting for the next interval, unless that is under
// way already. It does not block.
func (e *Evaluator) Soon(ids ...metric.Identifier) {
	e.mu.Lock()
	for _, id := range ids {
		if e.changes.isDue(id) || !e.dispatcher.has(id, e.opts.Demand.Referenced(id)) {
			e.pending[id] = true
		}
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// runSoon gathers what becomes pending at about the same time, so that equal
// reads share a query from the start, and evaluates each gathering at once.
func (e *Evaluator) runSoon(ctx context.Context, wg *sync.WaitGroup) {
	const gather = 5 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		}
		if !pause(ctx, gather) {
			return
		}
		if ids := e.takePending(); len(ids) > 0 {
			v := e.begin(ctx, ids, mode{first: true})
			wg.Go(func() { v.wait() })
		}
	}
}

func (e *Evaluator) takePending() []metric.Identifier {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := slices.Collect(maps.Keys(e.pending))
	e.pending = map[metric.Identifier]bool{}
	return ids
}

// pause waits for d; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
