//go:build e2e

package e2e

import (
	"sync"
	"testing"
	"time"
)

// reading reads what the HPAs read, again and again, until the function it returns
// is called, which says how often and how long the slowest took. The test fails
// for each read that fails or takes more than 2 s.
func reading(t *testing.T) (stop func() (reads int, slowest time.Duration)) {
	t.Helper()
	var (
		done    = make(chan struct{})
		reader  sync.WaitGroup
		reads   int
		slowest time.Duration
	)
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, path := range []string{webPath, depthPath} {
				began := time.Now()
				_, err := system.Raw(t.Context(), path)
				took := time.Since(began)
				reads, slowest = reads+1, max(slowest, took)
				if err != nil || took > 2*time.Second {
					t.Errorf("an HPA's metric meanwhile: %v after %s", err, took)
				}
			}
		}
	})
	end := sync.OnceFunc(func() { close(done); reader.Wait() })
	t.Cleanup(end) // where the test fails before it asks
	return func() (int, time.Duration) {
		end()
		return reads, slowest
	}
}
