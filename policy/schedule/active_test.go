package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// date reads a time such as 2026-03-29T01:30:00+01:00.
func date(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func compile(t *testing.T, start string, d time.Duration, zone string) Spec {
	t.Helper()
	s, found := Compile(start, d, zone)
	if len(found) > 0 {
		t.Fatal(found)
	}
	return s
}

// TestStarts pins the starts after a time, and that the schedule is in force from
// each of them, to the second, for its duration.
func TestStarts(t *testing.T) {
	for name, test := range map[string]struct {
		start string
		zone  string
		after string
		want  []string
	}{
		"UTC by default":             {"30 7 * * *", "", "2026-01-31T12:00:00Z", []string{"2026-02-01T07:30:00Z", "2026-02-02T07:30:00Z"}},
		"weekdays":                   {"0 7 * * 1-5", "UTC", "2026-11-20T07:00:00Z", []string{"2026-11-23T07:00:00Z", "2026-11-24T07:00:00Z"}},
		"7 is Sunday":                {"0 7 * * 7", "UTC", "2026-11-20T07:00:00Z", []string{"2026-11-22T07:00:00Z", "2026-11-29T07:00:00Z"}},
		"a day of either kind":       {"0 0 13 * fri", "UTC", "2026-11-10T00:00:00Z", []string{"2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"}},
		"leap day":                   {"0 0 29 2 *", "UTC", "2024-02-29T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		"before the epoch":           {"0 0 * * *", "UTC", "1969-12-30T12:00:00Z", []string{"1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"}},
		"Berlin, summer and winter":  {"0 7 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", []string{"2026-03-28T07:00:00+01:00", "2026-03-29T07:00:00+02:00"}},
		"Berlin, in the gap":         {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"Berlin, the gap's begin":    {"0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		"Berlin, the gap's end":      {"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"}},
		"Berlin, several in the gap": {"*/20 1-3 29 3 *", "Europe/Berlin", "2026-03-29T01:30:00+01:00", []string{"2026-03-29T01:40:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00"}},
		"Berlin, shown twice":        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"Berlin, 3:00 is shown once": {"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"}},
		"Berlin, of a list of hours, 2:00 is not repeated": {"0 1-3 * * *", "Europe/Berlin", "2026-10-25T00:30:00+02:00", []string{
			"2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"}},
		"Berlin, each hour, the repeated one twice": {"0 * * * *", "Europe/Berlin", "2026-10-25T00:30:00+02:00", []string{
			"2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		"Berlin, each second hour": {"0 */2 * * *", "Europe/Berlin", "2026-10-25T00:30:00+02:00", []string{
			"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"}},
		"Berlin, each hour, one of them skipped": {"30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", []string{
			"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		"Lord Howe, half an hour twice": {"45 0-23 * * *", "Australia/Lord_Howe", "2026-04-05T01:00:00+11:00", []string{
			"2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30", "2026-04-05T02:45:00+10:30"}},
		"New York, in the gap":        {"15 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:15:00-04:00"}},
		"New York, shown twice":       {"15 1 * * *", "America/New_York", "2026-11-01T00:00:00-04:00", []string{"2026-11-01T01:15:00-04:00", "2026-11-02T01:15:00-05:00"}},
		"Lord Howe, 30 minutes ahead": {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		"Lord Howe, 30 minutes back":  {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		"Cairo, no midnight":          {"0 0 * * fri", "Africa/Cairo", "2026-04-23T00:00:00Z", []string{"2026-04-24T01:00:00+03:00", "2026-05-01T00:00:00+03:00"}},
		"Cairo, 23:30 is shown twice": {"30 23 * * thu", "Africa/Cairo", "2026-10-29T00:00:00Z", []string{"2026-10-29T23:30:00+03:00", "2026-11-05T23:30:00+02:00"}},
		"Santiago, no midnight":       {"30 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", []string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:30:00-03:00"}},
		"Santiago, back over midnight": {"0 0 5 4 *", "America/Santiago", "2026-04-04T12:00:00Z", []string{
			"2026-04-05T00:00:00-04:00"}}, // at 24:00 it was 23:00 again
		"Apia, a day that was not":             {"0 7 30 12 *", "Pacific/Apia", "2011-12-28T00:00:00Z", []string{"2011-12-31T00:00:00+14:00", "2012-12-30T07:00:00+14:00"}},
		"Apia, across the day that was not":    {"0 */12 * * *", "Pacific/Apia", "2011-12-29T01:00:00-10:00", []string{"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		"Amsterdam, a distance in seconds":     {"0 0 * * *", "Europe/Amsterdam", "1936-12-31T12:00:00Z", []string{"1936-12-31T23:40:28Z"}},
		"Casablanca, summer ends for Ramadan":  {"30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z", []string{"2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00Z"}},
		"far ahead, by the rule of the zone":   {"30 2 * * *", "Europe/Berlin", "2090-03-25T12:00:00Z", []string{"2090-03-26T03:00:00+02:00"}},
		"never within five years":              {"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", nil},
		"a clock that was never set":           {"0 7 * * *", "Europe/Berlin", "0001-01-01T12:00:00Z", []string{"0001-01-02T06:06:32Z"}},
		"lists, ranges, steps, names, spacing": {" 5,50-52,*/30  6 *   MAR-apr Sun,mon ", "UTC", "2026-03-01T05:00:00Z", []string{"2026-03-01T06:00:00Z", "2026-03-01T06:05:00Z", "2026-03-01T06:30:00Z", "2026-03-01T06:50:00Z", "2026-03-01T06:51:00Z", "2026-03-01T06:52:00Z", "2026-03-02T06:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := compile(t, test.start, time.Minute, test.zone)
			now := date(t, test.after)
			var got, want []time.Time
			for _, text := range test.want {
				want = append(want, date(t, text))
				now = s.Next(now)
				got = append(got, now)
				if until, active := s.Active(now); !active || !until.Equal(now.Add(time.Minute)) {
					t.Errorf("at its start %s: active %v until %s", now, active, until)
				}
				if until, active := s.Active(now.Add(-time.Second)); active && !until.Equal(now) {
					t.Errorf("a second before its start %s: active until %s", now, until)
				}
			}
			if test.want == nil {
				if next := s.Next(now); !next.IsZero() {
					t.Errorf("next is %s", next)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestActive pins when a floor begins and ends, above all where clocks are changed.
func TestActive(t *testing.T) {
	for name, test := range map[string]struct {
		start string
		d     time.Duration
		zone  string
		now   string
		until string // empty: not active
	}{
		"before":                                 {"0 7 * * *", 3 * time.Hour, "", "2026-11-23T06:59:59Z", ""},
		"at the start":                           {"0 7 * * *", 3 * time.Hour, "", "2026-11-23T07:00:00Z", "2026-11-23T10:00:00Z"},
		"just before the end":                    {"0 7 * * *", 3 * time.Hour, "", "2026-11-23T09:59:59Z", "2026-11-23T10:00:00Z"},
		"at the end":                             {"0 7 * * *", 3 * time.Hour, "", "2026-11-23T10:00:00Z", ""},
		"across midnight":                        {"0 22 * * fri", 8 * time.Hour, "", "2026-11-21T05:00:00Z", "2026-11-21T06:00:00Z"},
		"a week":                                 {"0 0 * * mon", 168 * time.Hour, "", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"},
		"overlapping itself, the newest counts":  {"0 * * * *", 90 * time.Minute, "", "2026-11-23T07:10:00Z", "2026-11-23T08:30:00Z"},
		"elapsed time over the gap":              {"0 1 * * *", 3 * time.Hour, "Europe/Berlin", "2026-03-29T04:59:59+02:00", "2026-03-29T05:00:00+02:00"},
		"elapsed time over the gap, ended":       {"0 1 * * *", 3 * time.Hour, "Europe/Berlin", "2026-03-29T05:00:00+02:00", ""},
		"elapsed time over the repeated hour":    {"0 1 * * *", 3 * time.Hour, "Europe/Berlin", "2026-10-25T02:59:59+01:00", "2026-10-25T03:00:00+01:00"},
		"the second showing does not start":      {"30 2 * * *", 30 * time.Minute, "Europe/Berlin", "2026-10-25T02:30:00+01:00", ""},
		"the first showing does":                 {"30 2 * * *", 30 * time.Minute, "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"},
		"skipped, it begins after the gap":       {"30 2 * * *", time.Hour, "Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		"skipped with the day, it begins after":  {"0 0 30 12 *", 24 * time.Hour, "Pacific/Apia", "2011-12-31T23:59:59+14:00", "2012-01-01T00:00:00+14:00"},
		"a start two changes ago":                {"0 12 10 2 *", 168 * time.Hour, "Africa/Casablanca", "2026-02-17T10:59:59Z", "2026-02-17T11:00:00Z"},
		"a fraction of a second before the end":  {"0 7 * * *", time.Minute, "", "2026-11-23T07:00:59.999999999Z", "2026-11-23T07:01:00Z"},
		"a duration with a fraction of a second": {"0 7 * * *", time.Minute + time.Millisecond, "", "2026-11-23T07:01:00Z", "2026-11-23T07:01:00.001Z"},
	} {
		t.Run(name, func(t *testing.T) {
			until, active := compile(t, test.start, test.d, test.zone).Active(date(t, test.now))
			if test.until == "" {
				if active || !until.IsZero() {
					t.Errorf("active %v until %s", active, until)
				}
			} else if !active || !until.Equal(date(t, test.until)) {
				t.Errorf("active %v until %s, want %s", active, until, test.until)
			}
		})
	}
}

// TestAlwaysOn: what is written to be in force all the time is, on the days on which
// clocks are changed, too.
func TestAlwaysOn(t *testing.T) {
	for start, d := range map[string]time.Duration{
		"* * * * *":    time.Minute,
		"*/15 * * * *": 15 * time.Minute,
		"*/30 * * * *": 30 * time.Minute,
		"0 * * * *":    time.Hour,
		"0 */2 * * *":  2 * time.Hour,
		"0 0 * * *":    25 * time.Hour, // a day of elapsed time ends before such a day does
	} {
		t.Run(start, func(t *testing.T) {
			s := compile(t, start, d, "Europe/Berlin")
			for _, from := range []string{"2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"} {
				for at, end := date(t, from), date(t, from).Add(48*time.Hour); at.Before(end); at = at.Add(time.Minute) {
					if _, active := s.Active(at); !active {
						t.Fatalf("not active at %s", at.In(s.zone))
					}
				}
			}
		})
	}
}

// TestClockJumps: the same spec says the same of a time, whatever it was asked before.
func TestClockJumps(t *testing.T) {
	s := compile(t, "0 7 * * 1-5", 3*time.Hour, "Europe/Berlin")
	in, out := date(t, "2026-11-23T08:00:00+01:00"), date(t, "2026-11-23T11:00:00+01:00")
	for i, step := range []struct {
		now    time.Time
		active bool
	}{{in, true}, {out, false}, {in, true}, {in.AddDate(-20, 0, 2), false}, {in, true}, {in.AddDate(30, 0, 2), false}, {in, true}} {
		until, active := s.Active(step.now)
		if active != step.active || active && !until.Equal(date(t, "2026-11-23T10:00:00+01:00")) {
			t.Errorf("step %d, %s: active %v until %s", i, step.now, active, until)
		}
	}
}

func TestZeroSpec(t *testing.T) {
	now := date(t, "2026-11-23T08:00:00Z")
	if until, active := (Spec{}).Active(now); active || !until.IsZero() || !(Spec{}).Next(now).IsZero() {
		t.Error("the zero value is active")
	}
}
