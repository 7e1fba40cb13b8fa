package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// capacity refuses once the stream holds max messages. It asks the queue once
// a second at most: a question for each creation would double the traffic.
type capacity struct {
	js  jetstream.JetStream
	max uint64
	now func() time.Time

	mu    sync.Mutex
	held  uint64
	asked time.Time
}

func (c *capacity) check(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.asked) >= time.Second {
		s, err := c.js.Stream(ctx, Stream)
		if err != nil {
			return fmt.Errorf("stream %s: %w", Stream, err)
		}
		c.held, c.asked = s.CachedInfo().State.Msgs, now
	}
	if c.held >= c.max {
		return fmt.Errorf("%w: it holds %d reminders, at most %d are allowed", ErrFull, c.held, c.max)
	}
	return nil
}
