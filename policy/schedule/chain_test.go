package schedule

import (
	"testing"
	"time"
)

// TestLasts pins the end of starts that overlap.
func TestLasts(t *testing.T) {
	for name, test := range map[string]struct {
		start   string
		d       time.Duration
		zone    string
		now     string
		until   string // empty: not active
		endless bool
	}{
		"not active":                    {"0 7 * * *", time.Hour, "", "2026-11-23T09:00:00Z", "", false},
		"by itself":                     {"0 7 * * *", 3 * time.Hour, "", "2026-11-23T08:00:00Z", "2026-11-23T10:00:00Z", false},
		"two":                           {"0 7,8 * * *", 90 * time.Minute, "", "2026-11-23T07:00:00Z", "2026-11-23T09:30:00Z", false},
		"in the second one":             {"0 7,8 * * *", 90 * time.Minute, "", "2026-11-23T09:00:00Z", "2026-11-23T09:30:00Z", false},
		"one begins where another ends": {"0 7,8 * * *", time.Hour, "", "2026-11-23T07:00:00Z", "2026-11-23T09:00:00Z", false},
		"a minute between them":         {"0 7,8 * * *", 59 * time.Minute, "", "2026-11-23T07:00:00Z", "2026-11-23T07:59:00Z", false},
		"several minutes, then none":    {"0-9,11 7 * * *", time.Minute, "", "2026-11-23T07:00:00Z", "2026-11-23T07:10:00Z", false},
		"from Monday to Saturday":       {"0 0 * * 1-5", 24 * time.Hour, "", "2026-11-23T07:00:00Z", "2026-11-28T00:00:00Z", false},
		"each minute of some days":      {"* * * * 1-5", time.Minute, "", "2026-11-23T07:00:00Z", "2026-11-28T00:00:00Z", false},
		"each minute":                   {"* * * * *", time.Hour, "Europe/Berlin", "2026-11-23T07:00:00Z", "2027-01-01T00:00:00+01:00", true},
		"each minute, hardly":           {"* * * * *", time.Minute, "", "2026-11-30T23:59:59Z", "2027-01-01T00:00:00Z", true},
		"a week each day":               {"0 0 * * *", 168 * time.Hour, "", "2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z", true},
		"whole days, to the long one":   {"0 0 * * *", 24 * time.Hour, "Europe/Berlin", "2026-10-20T00:00:00Z", "2026-10-25T23:00:00+01:00", false},
		"25 hours each day":             {"0 0 * * *", 25 * time.Hour, "Europe/Berlin", "2026-10-20T00:00:00Z", "2026-12-01T00:00:00+01:00", true},
		"from a start that is skipped":  {"30,59 2 * * *", time.Hour, "Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00", false},
	} {
		t.Run(name, func(t *testing.T) {
			until, endless := compile(t, test.start, test.d, test.zone).Lasts(date(t, test.now))
			if test.until == "" {
				if !until.IsZero() || endless {
					t.Errorf("until %s, endless %v", until, endless)
				}
			} else if !until.Equal(date(t, test.until)) || endless != test.endless {
				t.Errorf("until %s, endless %v, want %s, %v", until, endless, test.until, test.endless)
			}
		})
	}
}

func BenchmarkLasts(b *testing.B) {
	for start, d := range map[string]time.Duration{"* * * * *": time.Minute, "* 0-21,23 * * *": time.Minute, "0 0 * * *": 168 * time.Hour, "0 7 * * *": time.Hour} {
		b.Run(start, func(b *testing.B) {
			s, _ := Compile(start, d, "Europe/Berlin")
			at := time.Date(2026, 10, 1, 5, 0, 0, 0, time.UTC)
			for b.Loop() {
				s.Lasts(at)
			}
		})
	}
}
