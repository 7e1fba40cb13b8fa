package builtin_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/loadline/loadline/provider/source/embedded/engine"
)

// However the clock is set, an HPA gets the true rate or none, and has it again with the
// second scrape after that: at an interval of five seconds it is without a value for ten
// seconds at most.
func TestTheClockIsSet(t *testing.T) {
	const perScrape = 50 // 10 a second
	for name, tc := range map[string]struct {
		by   time.Duration
		gaps int // scrapes after which there is no value
	}{
		"forwards, an hour":             {time.Hour, 1},
		"forwards, within the window":   {8 * time.Second, 1},
		"forwards, a second":            {time.Second, 1},
		"it is corrected":               {100 * time.Millisecond, 0},
		"corrected the other way":       {-100 * time.Millisecond, 0},
		"backwards, a second":           {-time.Second, 1},
		"backwards, less than a scrape": {-3 * time.Second, 1},
		"backwards, a scrape":           {-interval, 1},
		"backwards, a minute":           {-time.Minute, 1},
		"backwards, an hour":            {-time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w, rules := &world{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), t: t}, compile(t)
			elapsed, loop := time.Duration(0), w.now // loop is the scrape loop's time, which is never set back
			var err error
			w.Engine, err = engine.Open(engine.Config{Dir: t.TempDir(), Now: func() time.Time { return w.now }, Elapsed: func() time.Duration { return elapsed }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = w.Close() })
			count, gaps := 0, 0
			pass := func(d time.Duration) { w.now, elapsed = w.now.Add(d), elapsed+d }
			// None is an error for the HPA, which leaves its target alone then.
			look := func() {
				var rate float64
				switch got := w.value(rules, "jobs_done_total", "jobs_done_per_second"); {
				case got == "":
					gaps++
				default:
					// A correction may be a hundredth of a window.
					if _, err := fmt.Sscanf(got, "a=%g", &rate); err != nil || math.Abs(rate-10) > 0.1 {
						t.Errorf("after %s the rate is %s", elapsed, got)
					}
				}
			}
			scrape := func() {
				pass(interval - time.Second)
				if loop.Before(w.now) {
					loop = w.now
				}
				app := w.Appender(t.Context(), "a", func(string) bool { return true })
				count += perScrape
				_, err := app.Append(0, labels.FromStrings("__name__", "jobs_done_total", "namespace", "shop", "pod", "a"), 0, loop.UnixMilli(), float64(count), nil, nil, storage.AOptions{})
				if err != nil {
					t.Errorf("after %s: %v", elapsed, err)
				}
				if err := app.Commit(); err != nil {
					t.Fatal(err)
				}
				look()
				pass(time.Second)
			}
			for range 6 {
				scrape()
			}
			w.now = w.now.Add(tc.by)
			look()
			gaps = 0
			for range 8 {
				scrape()
			}
			if gaps != tc.gaps {
				t.Errorf("no value after %d scrapes, want %d", gaps, tc.gaps)
			}
		})
	}
}
