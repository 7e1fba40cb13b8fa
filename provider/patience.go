package provider

import (
	"context"
	"sync"
	"time"
)

// patience is a context that ends at a time, as context.WithDeadline makes it, but whose timer
// is started by whoever begins to wait for it: a read of what is at hand waits for nothing.
type patience struct {
	context.Context // the request's
	until           time.Time

	start  sync.Once
	timed  context.Context
	cancel context.CancelFunc
}

func newPatience(ctx context.Context, d time.Duration) *patience {
	return &patience{Context: ctx, until: time.Now().Add(d)}
}

func (p *patience) context() context.Context {
	p.start.Do(func() { p.timed, p.cancel = context.WithDeadline(p.Context, p.until) })
	return p.timed
}

// end gives back what the timer has; nobody may wait any more.
func (p *patience) end() {
	p.start.Do(func() { p.timed, p.cancel = endedContext, func() {} })
	p.cancel()
}

// endedContext is that of a patience which was ended before anybody waited.
var endedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (p *patience) Deadline() (time.Time, bool) { return p.context().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.context().Done() }
func (p *patience) Err() error                  { return p.context().Err() }

// AfterFunc spares contexts that are made of this one a goroutine each.
func (p *patience) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(p.context(), f) }
