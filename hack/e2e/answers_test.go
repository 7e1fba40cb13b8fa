//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// answers is what reads in the background found.
type answers struct {
	mu    sync.Mutex
	n     map[string]int // answers, by kind of read
	worst map[string]time.Duration
	open  map[string]time.Time // when the read began that has no answer yet
	wrong map[int64]int        // depths that were not allowed
}

// readOn reads until the test ends, side by side: the metrics of the HPAs, and such
// that nobody asked for before. A depth must be one of those given.
func readOn(t *testing.T, depths ...int64) *answers {
	a := &answers{n: map[string]int{}, worst: map[string]time.Duration{}, open: map[string]time.Time{}, wrong: map[int64]int{}}
	allowed := map[int64]bool{}
	for _, d := range depths {
		allowed[d] = true
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	nonce := time.Now().UnixNano()
	kinds := map[string]struct {
		pace time.Duration
		read func(ctx context.Context, i int)
	}{
		"depth": {200 * time.Millisecond, func(ctx context.Context, _ int) {
			if depth, _, err := queueDepth(ctx); err == nil && !allowed[depth] {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.wrong[depth]++
			}
		}},
		"rates": {200 * time.Millisecond, func(ctx context.Context, _ int) { _, _ = podMetrics(ctx, "remindmeweb") }},
		// Few, for each is evaluated from then on.
		"unseen": {3 * time.Second, func(ctx context.Context, i int) {
			_, _ = system.Raw(ctx, fmt.Sprintf("%s%%2Cunseen!%%3D%d-%d", depthPath, nonce, i))
		}},
	}
	for kind := range kinds {
		a.n[kind] = 0 // so that check sees a kind without an answer
	}
	for kind, r := range kinds {
		wg.Go(func() {
			tick := time.NewTicker(r.pace)
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				a.begin(kind)
				r.read(ctx, i) // an error is an answer
				if ctx.Err() == nil {
					a.end(kind)
				}
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	return a
}

func (a *answers) begin(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[kind] = time.Now()
}

func (a *answers) end(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n[kind]++
	a.worst[kind] = max(a.worst[kind], time.Since(a.open[kind]))
	delete(a.open, kind)
}

// check fails the test where a kind of read has had no answer, where an answer took
// more than 2 s, or an open read waits for longer than that, and for a wrong depth.
func (a *answers) check(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	t.Logf("answers: %v, the slowest: %v", a.n, a.worst)
	for kind, n := range a.n {
		if n == 0 {
			t.Errorf("no answer (%s)", kind)
		}
		if took := a.worst[kind]; took > 2*time.Second {
			t.Errorf("an answer (%s) took %s", kind, took)
		}
		if began, is := a.open[kind]; is && time.Since(began) > 2*time.Second {
			t.Errorf("a read (%s) has waited %s for its answer", kind, time.Since(began))
		}
	}
	if len(a.wrong) > 0 {
		t.Errorf("depths that the queue never had, with the number of answers: %v", a.wrong)
	}
}
