package eval

import (
	"context"
	"sync"
	"time"
)

// firstBit is how much longer than one query of it a source may take for the first
// evaluation, once another source has had its own: it is asked for its series before.
const firstBit = 2 * time.Second

// First evaluates what is wanted for the first time, of each source once listed returns
// true for its name: its series are known. It returns when that is done for all sources,
// or when it is for one and the others have had the time of a query and a bit. So one that
// hangs does not keep what the others give from being served, and where none answers it is
// for whoever else has values to serve them, until ctx ends.
func (r *Router) First(ctx context.Context, listed func(ctx context.Context, source string) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var sources sync.WaitGroup
	defer sources.Wait()
	defer cancel()

	var patience time.Duration
	one, all := make(chan struct{}, 1), make(chan struct{})
	for name, e := range r.all() {
		if e.opts.Source == (nowhere{}) {
			continue
		}
		patience = max(patience, e.opts.Timeout+firstBit)
		sources.Go(func() {
			if listed(ctx, name) && e.Evaluate(ctx, e.opts.Demand.Wanted()).Unreachable == 0 && ctx.Err() == nil {
				select {
				case one <- struct{}{}:
				default:
				}
			}
		})
	}
	go func() {
		sources.Wait()
		close(all)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-all:
		return
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	select {
	case <-all:
	case <-ctx.Done():
	case <-one:
	}
}
