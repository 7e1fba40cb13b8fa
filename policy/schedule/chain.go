package schedule

import "time"

// Lasts says until when the schedule stays in force that is so at now: to the end of the
// last of its starts of which each comes before the one before has ended. It is a
// function of the time alone that changes with no start, so that who stores it has
// nothing to write at each of them.
//
// Many such schedules never end. Of them endless is true, and until the begin of the month
// after the next one: it is in force to there at least.
func (s Spec) Lasts(now time.Time) (until time.Time, endless bool) {
	until, active := s.Active(now)
	if !active {
		return time.Time{}, false
	}
	at := now.In(s.zone)
	most := time.Date(at.Year(), at.Month()+2, 1, 0, 0, 0, 0, s.zone)
	for !until.After(most) {
		// The newest start that comes in time is where it goes on.
		start, _ := s.latest(until)
		next := time.Unix(s.endOfDay(start), 0).In(s.zone).Add(s.duration)
		if !next.After(until) {
			return until, false
		}
		until = next
	}
	return most, true
}

// endOfDay returns the last start of the day of a start, if each of that day's comes
// before the one before has ended: else the start itself. It saves Lasts from looking at
// every minute of a month.
func (s Spec) endOfDay(start int64) int64 {
	if !s.gapless {
		return start
	}
	g := segmentAt(s.zone, start, s.cron.everyHour)
	w := g.wall(start)
	if _, exact := s.cron.last(w, w); !exact {
		return start // it is made up for, and may be of the day before
	}
	last, _ := s.cron.last(w, min(w.startOfDay()+day, g.wall(g.end))-1)
	return g.reached(last)
}

// gap is the longest time between two starts of a day.
func (c cron) gap() time.Duration {
	var longest, last wall = 0, -1
	for h := range 24 {
		for m := range 60 {
			if c.hour&(1<<h) == 0 || c.minute&(1<<m) == 0 {
				continue
			}
			now := at(0, h, m)
			if last >= 0 {
				longest = max(longest, now-last)
			}
			last = now
		}
	}
	return time.Duration(longest) * time.Second
}
