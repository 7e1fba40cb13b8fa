package cert

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	firstRetry   = time.Second
	longestRetry = 10 * time.Second
	watchTimeout = 5 * time.Minute
)

// RunOnce returns as soon as there is a certificate to serve. Until then it
// retries, with growing pauses, an API server that cannot be reached and
// rights that are missing (they may be on their way); it gives up with the
// last error when ctx ends or StartTimeout has passed. Carriers that cannot be kept
// right do not hold it up: see Status.
func (c *Controller) RunOnce(ctx context.Context) error {
	start := c.opts.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, c.opts.StartTimeout)
	defer cancel()
	var cause error
	for retry := firstRetry; ; retry = longer(retry) {
		err := c.sync(ctx)
		if c.serving.Load() != nil {
			return nil
		}
		// The end of ctx breaks off a call, which says nothing of the cause.
		if cause == nil || ctx.Err() == nil {
			cause = err
		}
		if !c.pause(ctx, retry, nil) {
			return fmt.Errorf("no serving certificate after %v: %w", c.opts.Clock.Since(start).Round(time.Millisecond), cause)
		}
	}
}

// Run keeps the certificate and the carriers right until ctx ends. The
// number of workers is always one.
func (c *Controller) Run(ctx context.Context, _ int) {
	wake := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { c.watch(ctx, wake) })

	retry := firstRetry
	for {
		wait := c.opts.Interval
		if err := c.sync(ctx); err != nil {
			wait, retry = retry, longer(retry)
		} else {
			retry = firstRetry
		}
		if !c.pause(ctx, wait, wake) {
			return
		}
	}
}

// watch wakes the loop when the Secret changes, so that a replica adopts a
// certificate at once. It is an accelerator: without it the loop finds out at
// its next interval, and so an error here is only logged.
func (c *Controller) watch(ctx context.Context, wake chan<- struct{}) {
	seconds := int64(watchTimeout / time.Second)
	opts := metav1.ListOptions{
		// RBAC by resourceName sees a watch of one name only through this selector.
		FieldSelector:  fields.OneTermEqualSelector("metadata.name", c.opts.Secret).String(),
		TimeoutSeconds: &seconds,
	}
	retry := firstRetry
	for {
		w, err := c.opts.Secrets.Watch(ctx, opts)
		if err != nil {
			c.opts.Log.V(2).Info("Cannot watch the Secret; looking at intervals instead", "err", c.explain(&callError{"watch", "secrets", c.opts.Secret, err}))
			retry = longer(retry)
		} else {
			retry = firstRetry
			forward(ctx, w, wake)
			w.Stop()
		}
		if !c.pause(ctx, retry, nil) {
			return
		}
	}
}

// forward turns the events of w into wake-ups, several pending ones into one,
// until w or ctx ends.
func forward(ctx context.Context, w watch.Interface, wake chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.ResultChan():
			if !ok || event.Type == watch.Error {
				return
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

// pause waits for d or a wake-up; false means that ctx has ended.
func (c *Controller) pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := c.opts.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C():
	}
	return ctx.Err() == nil
}

// longer doubles a pause up to a limit: what is missing (a carrier not yet
// applied) is often on its way.
func longer(retry time.Duration) time.Duration {
	return min(2*retry, longestRetry)
}
