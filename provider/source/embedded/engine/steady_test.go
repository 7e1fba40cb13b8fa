package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/loadline/loadline/provider/source/embedded/engine"
)

// The clock is set while scrapes and queries are under way, some of them of samples of before.
func TestTheClockIsSetUnderLoad(t *testing.T) {
	var elapsed, set atomic.Int64
	w := open(t, func(c *engine.Config) {
		c.Now = func() time.Time { return time.UnixMilli(1_800_000_000_000 + set.Load() + elapsed.Load()) }
		c.Elapsed = func() time.Duration { return time.Duration(elapsed.Load()) * time.Millisecond }
	})
	now := func() int64 { return 1_800_000_000_000 + set.Load() + elapsed.Load() }
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprintf("target-%d", i)
		series := make([]labels.Labels, 20)
		for n := range series {
			series[n] = labels.FromStrings("__name__", "a", "target", name, "n", fmt.Sprint(n))
		}
		running.Go(func() {
			refs := make([]storage.SeriesRef, len(series))
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				at, app := now(), w.Appender(t.Context(), name, everything)
				for i, ls := range series {
					refs[i], _ = app.Append(refs[i], ls, 0, at, float64(n), nil, nil, storage.AOptions{})
				}
				if n%5 == 0 {
					_ = app.Rollback()
				} else {
					_ = app.Commit()
				}
				_ = app.Rollback() // once more, as after a commit that failed
				elapsed.Add(250)
			}
		})
	}
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = w.Query(t.Context(), `sum(a)`) // fails where what it looks at was dropped
			}
		}
	})
	for i := range 50 {
		time.Sleep(10 * time.Millisecond)
		set.Add([]int64{-3_600_000, 1_000, -600, 60_000, 7_200_000}[i%5])
	}
	close(stop)
	running.Wait()

	set.Add(-1_000)
	for range 3 {
		w.Set(time.UnixMilli(now()))
		w.must("last", "a 1")
		elapsed.Add(5000)
	}
	w.Set(time.UnixMilli(now()))
	if n := w.count(`count_over_time(a[20s]) == 3`); n != 1 {
		t.Errorf("after all that %d series have their samples", n)
	}
	if held := w.Holding().Series; held != 1 {
		t.Errorf("%d series are held", held)
	}
}
