package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a queue whose count takes a time to be read.
type counter struct {
	takes time.Duration
	held  uint64
	err   error
	reads atomic.Int64
}

func (c *counter) read(ctx context.Context) (uint64, error) {
	c.reads.Add(1)
	select {
	case <-time.After(c.takes):
		return c.held, c.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestCapacityWaitsOnce: the first creation waits for the count, later ones never
// do, however slow the queue is, and it is asked once at a time.
func TestCapacityWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &counter{takes: 3 * time.Second}
		c := &capacity{count: queue.read, max: 2, now: time.Now}
		began := time.Now()
		for i := range 40 {
			before := time.Now()
			if err := c.check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(before); i == 0 && took != 3*time.Second || i > 0 && took != 0 {
				t.Errorf("check %d took %s", i, took)
			}
			time.Sleep(250 * time.Millisecond)
		}
		// Each takes 3 s, and no two go on at once.
		reads := queue.reads.Load()
		if most := 1 + int64(time.Since(began)/(3*time.Second)); reads > most || reads < 3 {
			t.Errorf("%d reads in %s, want 3 to %d", reads, time.Since(began), most)
		}
		time.Sleep(countTimeout) // the last one ends
	})
}

// TestCapacity follows a queue that fills, fails and empties.
func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		queue := &counter{err: away}
		c := &capacity{count: queue.read, max: 2, now: time.Now}
		for _, step := range []struct {
			what string
			held uint64
			err  error
			want error
		}{
			{"nothing is known yet", 0, away, away},
			{"room for one", 1, nil, nil},
			{"full", 2, nil, ErrFull},
			{"more than full", 3, nil, ErrFull},
			{"full when last seen, now away", 0, away, ErrFull},
			{"empty", 0, nil, nil},
			{"empty when last seen, now away", 9, away, nil},
		} {
			queue.held, queue.err = step.held, step.err
			_ = c.check(t.Context()) // begins a reading, whose outcome the next one knows
			synctest.Wait()
			if err := c.check(t.Context()); !errors.Is(err, step.want) || step.want == nil && err != nil {
				t.Errorf("%s: %v, want %v", step.what, err, step.want)
			}
			time.Sleep(2 * countAge)
		}
	})
}

// TestCapacityGivesUpWithItsCaller: the wait for the first count ends with the
// creation's own deadline.
func TestCapacityGivesUpWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &capacity{count: (&counter{takes: time.Hour}).read, max: 2, now: time.Now}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.check(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
