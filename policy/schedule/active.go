package schedule

import "time"

// horizon is how far Next looks, in seconds: a 29 February is at most four years away
// until 2096.
const horizon = 5 * 366 * day

// Active says whether the schedule is in force at now, and until when if it did not start again.
//
// It is from each start on for its duration, which is elapsed time: 3h from 7:00 are
// three hours on the day on which clocks are changed, too. A start that clocks skip
// when they are put forward is at the first instant after the gap; one that they show
// twice counts the first time only, unless the hour is *. If it starts again before the
// end, until is that of the latest start; see Lasts.
func (s Spec) Active(now time.Time) (until time.Time, active bool) {
	if s.zone == nil {
		return time.Time{}, false
	}
	start, ok := s.latest(now)
	if !ok {
		return time.Time{}, false
	}
	until = time.Unix(start, 0).In(s.zone).Add(s.duration)
	if !now.Before(until) {
		return time.Time{}, false
	}
	return until, true
}

// latest returns the newest start at or before now, in Unix seconds, as far as it can
// matter at now.
func (s Spec) latest(now time.Time) (int64, bool) {
	oldest := now.Add(-s.duration).Unix()
	for t := now.Unix(); ; {
		g := segmentAt(s.zone, t, s.cron.everyHour)
		low := g.first
		if g.begin < oldest {
			low = max(low, g.wall(oldest))
		}
		if w, ok := s.cron.last(low, g.wall(t)); ok {
			return g.reached(w), true
		}
		if g.begin <= oldest {
			return 0, false
		}
		t = g.begin - 1
	}
}

// Next returns the first start after now; the zero time if there is none within five
// years.
func (s Spec) Next(now time.Time) time.Time {
	if s.zone == nil {
		return time.Time{}
	}
	from := now.Unix() + 1
	for last := from + horizon; ; {
		g := segmentAt(s.zone, from, s.cron.everyHour)
		low := g.first
		if from > g.begin {
			low = max(low, g.wall(from))
		}
		if w, ok := s.cron.next(low, g.wall(min(g.end-1, last))); ok {
			return time.Unix(g.reached(w), 0).In(s.zone)
		}
		if g.end > last {
			return time.Time{}
		}
		from = g.end
	}
}
