package lab

import (
	"context"
	"fmt"
	"time"
)

// Until asks check every 100 ms until it says true or limit is over. state is
// what check saw, for the error.
func Until(ctx context.Context, what string, limit time.Duration, check func(context.Context) (ok bool, state string)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := ""
	for {
		ok, state := check(ctx)
		if ok {
			return nil
		}
		if ctx.Err() == nil || last == "" {
			last = state
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s; last seen: %s", what, limit, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
