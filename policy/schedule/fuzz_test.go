package schedule

import (
	"testing"
	"time"
)

// FuzzCompile: no input makes anything here panic, and what is accepted starts where a
// minute-by-minute walk says, in zones of every kind.
func FuzzCompile(f *testing.F) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu"}
	around := func(text string) int64 {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			f.Fatal(err)
		}
		return at.Unix()
	}
	for _, days := range []string{"2026-03-30", "2026-10-26", "2026-11-02", "2026-04-06", "2026-04-25", "2026-10-30", "2026-09-07", "2012-01-01", "2026-02-16"} {
		for zone := range zones {
			for _, start := range []string{"30 2 * * *", "*/7 0-3,23 * * *", "0 0 13 * fri", "15 */5 1-15/2 jan-dec 0,6", "0 0 * * *", "*/20 * * * *", "45 */3 * * *"} {
				f.Add(start, int64(90*60), zone, around(days))
			}
		}
	}
	f.Add("0 7 * * 1-5", int64(168*3600), 1, int64(-3600))
	f.Add("5/15 @ L-3 29-2 8", int64(60), 0, int64(0))
	f.Fuzz(func(t *testing.T, start string, seconds int64, zone int, at int64) {
		if seconds < 60 || seconds > 168*3600 || zone < 0 || zone >= len(zones) {
			t.Skip("no duration or zone of a policy")
		}
		s, found := Compile(start, time.Duration(seconds)*time.Second, zones[zone])
		if len(found) > 0 {
			return
		}
		low, high := around("1990-01-01"), around("2100-01-01")
		now := time.Unix(low+((at-low)%(high-low)+high-low)%(high-low), 0)

		starts := walk(s, now.Add(-170*time.Hour), now.Add(49*time.Hour))
		var latest, next time.Time
		for _, start := range starts {
			if !start.After(now) {
				latest = start
			} else if next.IsZero() {
				next = start
			}
		}
		until, active := s.Active(now)
		if wanted := latest.Add(s.duration); !latest.IsZero() && now.Before(wanted) {
			if !active || !until.Equal(wanted) {
				t.Errorf("at %s active %v until %s, want until %s", now.In(s.zone), active, until, wanted)
			}
		} else if active {
			t.Errorf("at %s active until %s, the latest start is %s", now.In(s.zone), until, latest)
		}
		if lasts, endless := s.Lasts(now); active {
			end := until
			for _, start := range starts {
				if start.After(now) && !start.After(end) {
					end = start.Add(s.duration)
				}
			}
			// What was walked over ends after two days.
			if walked := now.Add(48 * time.Hour); end.Before(walked) && (endless || !lasts.Equal(end)) || !end.Before(walked) && lasts.Before(walked) {
				t.Errorf("at %s it lasts until %s, endless %v, want %s", now.In(s.zone), lasts, endless, end)
			}
		}
		switch got := s.Next(now); {
		case !next.IsZero() && !got.Equal(next):
			t.Errorf("after %s next %s, want %s", now.In(s.zone), got, next)
		case next.IsZero() && !got.IsZero() && got.Before(now.Add(48*time.Hour)):
			t.Errorf("after %s next %s, want none so soon", now.In(s.zone), got)
		}
	})
}

// walk returns the starts between two times by looking at the clock each minute: it
// shows new minutes, one or all of a gap, or such that it has shown before, which count
// again for what is meant each hour.
func walk(s Spec, from, to time.Time) (starts []time.Time) {
	shown := func(t time.Time) int64 {
		_, offset := t.In(s.zone).Zone()
		return (t.Unix() + int64(offset)) / 60
	}
	t := from.Add(-50 * time.Hour).Truncate(time.Minute)
	for seen := shown(t); t.Before(to); t = t.Add(time.Minute) {
		if s.cron.everyHour {
			seen = min(seen, shown(t)-1)
		}
		begins := false
		for ; seen < shown(t); seen++ {
			begins = begins || matches(s.cron, time.Unix((seen+1)*60, 0).UTC())
		}
		if begins && !t.Before(from) {
			starts = append(starts, t)
		}
	}
	return starts
}

// matches is cron's rule as it is written in its manual.
func matches(c cron, clock time.Time) bool {
	has := func(set uint64, n int) bool { return set>>n&1 == 1 }
	date := has(c.day, clock.Day()) || has(c.weekday, int(clock.Weekday()))
	switch {
	case c.anyDay:
		date = has(c.weekday, int(clock.Weekday()))
	case c.anyWeekday:
		date = has(c.day, clock.Day())
	}
	return has(c.minute, clock.Minute()) && has(c.hour, clock.Hour()) && has(c.month, int(clock.Month())) && date
}
