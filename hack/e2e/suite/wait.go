package suite

import (
	"context"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
)

// Waiting is the context of a test's waits: done with the test, or when a signal
// asks the tests to end.
func (s *Suite) Waiting(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := context.AfterFunc(s.interrupted, cancel)
	return ctx, func() { stop(); cancel() }
}

// Until fails the test where lab.Until fails.
func (s *Suite) Until(t *testing.T, what string, limit time.Duration, check func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := s.Waiting(t)
	defer cancel()
	began := time.Now()
	if err := lab.Until(ctx, what, limit, check); err != nil {
		if s.interrupted.Err() != nil {
			t.Fatalf("interrupted while waiting for: %s", what)
		}
		s.show(t.Output())
		t.Fatal(err)
	}
	t.Logf("%s: after %s", what, time.Since(began).Round(10*time.Millisecond))
}

// Never fails as soon as bad says true, and passes after the time.
func (s *Suite) Never(t *testing.T, span time.Duration, bad func(context.Context) (bool, string)) {
	t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); s.Pause(t, 100*time.Millisecond) {
		ctx, cancel := s.Waiting(t)
		is, state := bad(ctx)
		cancel()
		if is {
			t.Fatal(state)
		}
	}
}

// Pause fails the test if a signal comes before d is over.
func (s *Suite) Pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-s.interrupted.Done():
		t.Fatal("interrupted")
	case <-time.After(d):
	}
}
