package controller

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

// retryAfter is how soon what failed, or what was missed, is looked up again.
const retryAfter = 30 * time.Second

// refreshed is something about the cluster that is looked up when it is needed and
// the last answer has become old. While one worker does that, the others go on with
// the last answer. After an error the last answer stays; to begin with it is the zero
// value.
type refreshed[T any] struct {
	what  string // for the log
	load  func(context.Context) (T, error)
	every time.Duration
	limit time.Duration // of one load, and of waiting for one
	now   func() time.Time

	once sync.Once
	turn chan struct{} // has the one who loads in it
	last atomic.Pointer[answer[T]]
}

type answer[T any] struct {
	value T
	known bool      // value was loaded, however long ago
	tried time.Time // last
	ok    bool      // the last try went well
}

// get returns the answer and whether there ever was one. missed says that the
// caller looked for something in the last answer that is not there.
func (r *refreshed[T]) get(ctx context.Context, missed bool) (T, bool) {
	a := r.last.Load()
	if !r.due(a, missed) {
		return a.value, a.known
	}
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	if !r.take(ctx, a == nil) {
		if a = r.last.Load(); a == nil {
			a = &answer[T]{}
		}
		return a.value, a.known
	}
	defer func() { <-r.turn }()
	if a = r.last.Load(); !r.due(a, missed) { // another worker was first
		return a.value, a.known
	}
	next := &answer[T]{tried: r.now()}
	if a != nil {
		next.value, next.known = a.value, a.known
	}
	value, err := r.load(ctx)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Cannot look up "+r.what+", going on with what is known")
	} else {
		next.value, next.known, next.ok = value, true, true
	}
	r.last.Store(next)
	return next.value, next.known
}

// take says whether it is the caller who loads. It waits for whoever does, if it is to,
// as long as the context allows.
func (r *refreshed[T]) take(ctx context.Context, wait bool) bool {
	r.once.Do(func() { r.turn = make(chan struct{}, 1) })
	select {
	case r.turn <- struct{}{}:
		return true
	default:
		if !wait {
			return false
		}
	}
	select {
	case r.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *refreshed[T]) due(a *answer[T], missed bool) bool {
	if a == nil {
		return true
	}
	age := r.now().Sub(a.tried)
	if age < 0 { // the clock was set back
		return true
	}
	if !a.ok || missed {
		return age >= retryAfter
	}
	return age >= r.every
}
