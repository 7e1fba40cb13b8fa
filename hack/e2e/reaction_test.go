//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

var steps = flag.Int("steps", 0, "how many steps of the load Test10Reaction takes")

// Test10Reaction measures how long it takes from a step of the load until its rate is served,
// in part and in full, and until the HPA controller has changed spec.replicas. It fails only
// if that does not happen at all: make bench-reaction runs it with each source.
func Test10Reaction(t *testing.T) {
	if *steps == 0 {
		t.Skip("a measurement, not a test: make bench-reaction")
	}
	const name, low, high = "remindmeweb", 10.0, 150.0
	web := driver(t, "remindmeweb-service", load.Get("/"))
	changes := follow(t)
	var begun, full, scaled []time.Duration
	for range *steps {
		rate(t, web, low)
		replicas(t, name, 2, 2*time.Minute)
		// The rate has been low for longer than any window, at a moment that has nothing to
		// do with anybody's interval.
		system.Pause(t, lab.RateWindow+time.Since(time.Now().Truncate(time.Second)))
		step := time.Now()
		rate(t, web, high)
		served := func(least float64) (took time.Duration) {
			for time.Since(step) < time.Minute {
				values, err := podMetrics(t.Context(), name)
				sum := 0.0
				for _, milli := range values {
					sum += float64(milli) / 1000
				}
				if err == nil && sum >= least {
					return time.Since(step)
				}
				system.Pause(t, 20*time.Millisecond)
			}
			t.Fatalf("a rate of %v is not served a minute after the load has it", least)
			return 0
		}
		begun = append(begun, served(1.5*low))
		full = append(full, served(0.9*high))
		for len(changes.since(t, step, name)) == 0 {
			if time.Since(step) > time.Minute {
				t.Fatal("nothing has been scaled a minute after the step")
			}
			system.Pause(t, 50*time.Millisecond)
		}
		scaled = append(scaled, changes.since(t, step, name)[0].At.Sub(step))
	}
	t.Logf("scraped every %s, with %s", lab.ScrapeInterval, system.Source())
	for what, took := range map[string][]time.Duration{
		"step → a value that is half more than before": begun, "step → nine tenths of the new rate": full, "step → spec.replicas": scaled,
	} {
		slices.Sort(took)
		tell := func(d time.Duration) string {
			return fmt.Sprintf("%s (%.1f scrapes)", d.Round(10*time.Millisecond), float64(d)/float64(lab.ScrapeInterval))
		}
		t.Logf("%s: best %s, median %s, worst %s of %d", what, tell(took[0]), tell(took[len(took)/2]), tell(took[len(took)-1]), len(took))
	}
}
