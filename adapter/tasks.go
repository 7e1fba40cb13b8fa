package adapter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tasks are the loops that run beside the server, by name. The zero value has none.
type tasks struct {
	wg sync.WaitGroup

	mu      sync.Mutex
	running map[string]int
}

// Go runs f as a task; several may have one name.
func (t *tasks) Go(name string, f func()) {
	t.count(name, 1)
	t.wg.Go(func() {
		defer t.count(name, -1)
		f()
	})
}

func (t *tasks) count(name string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running == nil {
		t.running = map[string]int{}
	}
	if t.running[name] += n; t.running[name] == 0 {
		delete(t.running, name)
	}
}

// Wait returns when all tasks have ended, or after limit with an error that names
// those that have not.
func (t *tasks) Wait(limit time.Duration) error {
	done := make(chan struct{})
	go func() {
		t.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Errorf("stopped, but within %s these did not end: %s", limit, strings.Join(slices.Sorted(maps.Keys(t.running)), ", "))
}
