package queue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// countAge is how old the count of reminders may be before it is read again.
	countAge = time.Second
	// countTimeout bounds one reading.
	countTimeout = 5 * time.Second
)

// capacity refuses once the queue holds max reminders. Only the first creation
// waits for a count. Later ones go by the last, which is read again beside them:
// a creation that is confirmed by a slow queue must not wait for it twice.
type capacity struct {
	count func(context.Context) (uint64, error)
	max   uint64
	now   func() time.Time

	mu      sync.Mutex
	held    uint64
	known   bool // held has been read
	reading bool
	asked   time.Time
}

// check returns ErrFull, or why nothing is known of the queue yet.
func (c *capacity) check(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	stale := c.now().Sub(c.asked) >= countAge
	switch {
	case !c.known:
		if err := c.first(ctx); err != nil {
			return err
		}
	case stale && !c.reading:
		c.reading, c.asked = true, c.now()
		go c.again()
	}
	if c.held >= c.max {
		return fmt.Errorf("%w: it holds %d reminders, at most %d are allowed", ErrFull, c.held, c.max)
	}
	return nil
}

// first reads the count under the lock: whoever else comes needs it as well.
func (c *capacity) first(ctx context.Context) error {
	held, err := c.count(ctx)
	if err != nil {
		return err
	}
	c.held, c.known, c.asked = held, true, c.now()
	return nil
}

// again reads the count. If that fails the old one stays: a queue that does not
// answer takes no reminders either.
func (c *capacity) again() {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	held, err := c.count(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if err == nil {
		c.held = held
	}
}
