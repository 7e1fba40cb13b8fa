package bench

import (
	"context"
	"sync"
	"time"
)

// SyncPeriod is how often the HPA controller reads a metric.
const SyncPeriod = 15 * time.Second

// Pace asks as the HPA controller does: n questions of each path, spread evenly
// over each SyncPeriod, for a number of periods, by as many workers. Each path's
// i-th question follows the other's, and they take turns at going first. It
// returns a sample of each path and period.
func Pace(ctx context.Context, paths []*Path, n, periods int) [][]Sample {
	samples := make([][]Sample, len(paths))
	for i := range samples {
		samples[i] = make([]Sample, periods)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	questions := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range questions {
				for k := range paths {
					at := (i + k) % len(paths)
					took, err := paths[at].Get(ctx, i)
					mu.Lock()
					samples[at][i/n].add(took, err)
					mu.Unlock()
				}
			}
		})
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; i < n*periods; i++ {
		timer.Reset(time.Until(began.Add(SyncPeriod * time.Duration(i) / time.Duration(n))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			i = n * periods
			continue
		}
		questions <- i
	}
	close(questions)
	wg.Wait()
	for _, path := range samples {
		for period := range path {
			path[period].Took = time.Since(began) / time.Duration(periods)
		}
	}
	return samples
}
