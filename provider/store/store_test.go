package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

var (
	t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a  = metric.Identifier{API: metric.External, Metric: "a"}
)

func named(name string) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: name}
}

func data(at time.Time, values int) *store.Data {
	return &store.Data{Evaluated: at, Series: make([]store.Value, values)}
}

func TestFailureKeepsTheLastData(t *testing.T) {
	s := store.New()
	if s.Get(a) != nil {
		t.Fatal("a new store holds something")
	}
	down := metric.Errorf(metric.SourceFailed, "down")
	s.Fail(a, t0, down)
	if got := s.Get(a); got.Data != nil || got.Err != down || got.Attempted != t0 {
		t.Errorf("after a failure: %+v", got)
	}
	d := data(t0.Add(time.Second), 1)
	s.Succeed(a, d)
	if got := s.Get(a); got.Data != d || got.Err != nil {
		t.Errorf("after a success: %+v", got)
	}
	s.Fail(a, t0.Add(2*time.Second), down)
	if got := s.Get(a); got.Data != d || got.Err != down || got.Attempted != t0.Add(2*time.Second) {
		t.Errorf("after another failure: %+v", got)
	}
	s.Retain(func(id metric.Identifier) bool { return id == a })
	if s.Get(a) == nil {
		t.Error("retained, yet gone")
	}
	s.Retain(func(metric.Identifier) bool { return false })
	if s.Get(a) != nil {
		t.Error("dropped, yet there")
	}
}

// An error that says something about the value outlives the source: once the value
// was no number, the last number is not served in an outage that follows.
func TestOnlyALackOfNewsKeepsTheLastData(t *testing.T) {
	for reason, kept := range map[metric.Reason]bool{
		metric.SourceFailed: true, metric.ObjectsUnknown: true,
		metric.NotFinite: false, metric.Overflow: false, metric.Unlabelled: false, metric.RuleFailed: false,
		metric.Forbidden: false, metric.Undefined: false, metric.Invalid: false, metric.LimitReached: false,
	} {
		s := store.New()
		s.Succeed(a, data(t0, 1))
		s.Fail(a, t0.Add(time.Second), metric.Errorf(reason, "x"))
		s.Fail(a, t0.Add(2*time.Second), metric.Errorf(metric.SourceFailed, "down"))
		if got := s.Get(a).Data != nil; got != kept {
			t.Errorf("%s, then an outage: data kept is %v", reason, got)
		}
	}
}

func TestLateResultsDoNotReplaceNewerOnes(t *testing.T) {
	s := store.New()
	newer := data(t0.Add(time.Second), 2)
	s.Succeed(a, newer)
	s.Succeed(a, data(t0, 1))
	s.Fail(a, t0, errors.New("late"))
	if got := s.Get(a); got.Data != newer || got.Err != nil {
		t.Errorf("got %+v", got)
	}
}

func TestWait(t *testing.T) {
	s := store.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Wait(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}

	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if snap, err := s.Wait(t.Context(), a); err != nil || snap.Data == nil {
				t.Errorf("snapshot %+v, err %v", snap, err)
			}
		})
	}
	s.Succeed(a, data(t0, 1))
	s.Succeed(a, data(t0.Add(1), 1))
	wg.Wait()
}

func TestStats(t *testing.T) {
	s := store.New()
	b, c, d := named("b"), named("c"), named("d")
	s.Succeed(a, data(t0.Add(time.Minute), 3))
	s.Share([]metric.Identifier{b, c}, &store.Data{
		Evaluated: t0, Objects: map[string]store.Value{"x": {}}, Bad: map[string]error{"y": errors.New("NaN")},
	})
	s.Fail(d, t0.Add(-time.Hour), errors.New("down"))
	if diff := cmp.Diff(store.Stats{Metrics: 4, Values: 5}, s.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Retain(func(id metric.Identifier) bool { return id == c || id == d })
	if diff := cmp.Diff(store.Stats{Metrics: 2, Values: 2}, s.Stats()); diff != "" {
		t.Errorf("after a and b went (-want +got):\n%s", diff)
	}
}

// Forgetting frees what is held, and leaves who waits for a first value waiting.
func TestForget(t *testing.T) {
	s := store.New()
	gone, stays, awaited := named("gone"), named("stays"), named("awaited")
	s.Succeed(gone, data(t0, 3))
	s.Succeed(stays, data(t0, 1))
	begun, got := make(chan struct{}), make(chan *store.Snapshot)
	go func() {
		close(begun)
		snapshot, _ := s.Wait(t.Context(), awaited)
		got <- snapshot
	}()
	<-begun
	s.Forget(func(id metric.Identifier) bool { return id != stays })
	if s.Get(gone) != nil || s.Get(stays) == nil || s.Stats().Values != 1 {
		t.Errorf("%v, %v, %+v", s.Get(gone), s.Get(stays), s.Stats())
	}
	s.Succeed(awaited, data(t0, 0))
	if snapshot := <-got; snapshot == nil {
		t.Error("whoever waited got nothing")
	}
	// An older evaluation than the forgotten one is as good as any.
	s.Succeed(gone, data(t0.Add(-time.Minute), 2))
	if s.Get(gone) == nil {
		t.Error("nothing is stored any more")
	}
}
