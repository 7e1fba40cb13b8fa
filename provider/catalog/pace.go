package catalog

import (
	"context"
	"time"
)

// minGap is the shortest time between two discoveries of a selector. At the start,
// until the source has answered, it is shorter: a replica's network is often up a
// moment after it.
const (
	minGap   = 10 * time.Second
	startGap = 500 * time.Millisecond
)

// gap is how long after a discovery that took so long the next one may be asked
// for. A metric that appears is found soon after it is wanted, and whoever asks for
// metrics that do not exist takes at most a twentieth of the source's time for it:
// as though each of the n selectors took as long, and parallel of them at once.
func gap(took time.Duration, n int, interval time.Duration) time.Duration {
	return max(minGap, min(20*took*time.Duration(n)/parallel, interval))
}

// backoff is the pause after a failure that follows one of last; zero is none. A
// rule that fails alone, or is refused, is tried less and less often, down to once
// an interval. A source that is away is asked again soon, for it comes back for all.
func backoff(last time.Duration, answered, away bool, interval time.Duration) time.Duration {
	first, most := minGap, max(minGap, interval)
	if !answered {
		first = startGap
	}
	if away {
		most = minGap
	}
	return min(max(2*last, first), most)
}

// wait is the pause after a success: the interval, or until a wake where that is
// longer than the gap. False when ctx ended.
func (c *Catalog) wait(ctx context.Context, q *query, gap time.Duration) bool {
	interval := time.NewTimer(max(c.opts.Interval, gap))
	defer interval.Stop()
	if !sleep(ctx, gap) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-interval.C:
	case <-q.woken:
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
