package scrape_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// While the clock is set to and fro below scrapes that are under way, all rates are right
// that there are, and all pods have theirs again soon after.
func TestTheClockIsSetBelowScrapes(t *testing.T) {
	const pods = 10
	const interval = 250 * time.Millisecond
	perSecond := 1 / interval.Seconds()
	began := time.Now()
	// Each counts its scrapes: what it says then does not depend on how late it says it.
	var counts sync.Map
	server := exporter(t, func(w http.ResponseWriter, r *http.Request) {
		count, _ := counts.LoadOrStore(r.URL.Path, new(atomic.Int64))
		says(fmt.Sprintf("c_total %d\n", count.(*atomic.Int64).Add(1)))(w, r)
	})
	// It only ever is before the real one, for that is what the scrape loops go by.
	var behind atomic.Int64
	w := start(t, func(c *scrape.Config, e *engine.Config) {
		c.Interval = interval
		e.Now = func() time.Time { return time.Now().Round(0).Add(-time.Duration(behind.Load())) }
		e.Elapsed = func() time.Duration { return time.Since(began) }
	})
	var targets []target.Target
	for i := range pods {
		p := pod(t, fmt.Sprintf("p%d", i), server)
		p.Path = "/" + p.Pod
		targets = append(targets, p)
	}
	w.Set(targets, loopback(), wanted.Everything())
	const rate = `rate(c_total[1s]) and count_over_time(c_total[1s]) >= 4 or irate(c_total[1s])`
	look := func() (values int) {
		answer, err := w.Query(t.Context(), rate)
		if err != nil {
			return 0 // what it looked at was dropped meanwhile
		}
		for _, s := range answer.Samples {
			// Where much else runs, scrapes come late or not at all. A rate over one of these
			// jumps would be off by hundreds of times; builtin's tests have small ones.
			if s.Value < perSecond/20 || s.Value > 20*perSecond {
				t.Errorf("with the clock %s behind %s has a rate of %v", time.Duration(behind.Load()), s.Labels.Get("pod"), s.Value)
			}
		}
		return len(answer.Samples)
	}
	for _, d := range []time.Duration{0, time.Hour, time.Minute, 2 * time.Minute, 0} {
		behind.Store(int64(d))
		set := time.Now()
		seen := 0
		for deadline := time.Now().Add(time.Minute); seen < pods || time.Since(set) < 5*interval; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("with the clock %s behind, %d of %d pods have a rate; %v", d, seen, pods, w.Holding().Series)
			}
			seen = look()
		}
		t.Logf("%s behind: all have a rate after %s", d, time.Since(set))
	}
}
