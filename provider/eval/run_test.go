package eval_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// Under an overload of several times what an interval holds, where much expires before
// its turn, namespaces still take turns: after two rounds each has a value, and none is
// ever much older than a round.
func TestOverloadedNamespacesTakeTurns(t *testing.T) {
	for _, c := range []struct {
		slots, namespaces int
		took, interval    time.Duration
	}{{1, 50, 4 * time.Second, interval}, {8, 200, 4 * time.Second, interval}, {8, 150, 4 * time.Second, 3 * time.Second}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Concurrency = c.slots; o.Interval = c.interval })
				f.source.set(slowly(func(string) time.Duration { return c.took }))
				ids := each(c.namespaces, "ns", 0)
				f.want(t, ids...)
				f.run(t)
				round := c.took * time.Duration(c.namespaces) / time.Duration(c.slots)
				time.Sleep(2 * round)
				limit := round*3/2 + c.interval
				for range 20 {
					for _, id := range ids {
						s := f.store.Get(id)
						if s == nil || s.Data == nil {
							t.Fatalf("%s has no value after two rounds of %s", id, round)
						}
						if age := time.Since(s.Data.Evaluated); age > limit {
							t.Fatalf("%s is %s old, want at most %s", id, age, limit)
						}
					}
					time.Sleep(round / 10)
				}
			})
		})
	}
}

// late has a list that is there just after the wait for it has ended, not before.
type late struct{ objects }

func (late) Names(ctx context.Context, _ schema.GroupResource, _ string, _ labels.Selector, _ string) ([]string, error) {
	deadline, ok := ctx.Deadline()
	<-ctx.Done()
	if !ok || time.Now().Before(deadline) {
		return nil, metric.Because(metric.ObjectsUnknown, ctx.Err(), "no list")
	}
	time.Sleep(time.Millisecond)
	return []string{"p1"}, nil
}

// What is queued when nobody waits for it any more does not wait for a slot.
func TestQueuedAfterItsContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Concurrency = 1; o.Objects = late{}; o.Timeout = time.Minute })
		f.source.set(hang)
		done := make(chan struct{})
		go func() { defer close(done); f.Evaluate(t.Context(), []metric.Identifier{queue(0)}) }()
		synctest.Wait() // it has the slot for a minute
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		f.Evaluate(ctx, []metric.Identifier{pods("a", "")})
		if took := time.Since(began); took > time.Second+time.Millisecond {
			t.Errorf("ended after %s, its context after 1s", took)
		}
		<-done
	})
}

// Two metrics share a query. That one of them was left unanswered before keeps nobody
// from hearing why the other has no value.
func TestEachMetricOfASharedQueryHearsWhy(t *testing.T) {
	for range 10 { // in whatever order they are planned
		synctest.Test(t, func(t *testing.T) {
			f := setupWith(t, slots(1))
			f.source.set(hang)
			web, all := pods("a", "app=web"), pods("a", "")
			f.Evaluate(t.Context(), []metric.Identifier{web})
			f.want(t, append(queues(20), web, all)...)
			f.run(t)
			time.Sleep(timeout)
			synctest.Wait()
			if f.reason(web) != "source-failed" || f.reason(all) != "source-failed" {
				t.Errorf("%s and %s", f.reason(web), f.reason(all))
			}
		})
	}
}

// What waits as only read when an HPA comes to reference it is sent once, not twice.
func TestAReadThatIsReferencedIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, slots(2))
		sent := map[bool]*atomic.Int32{true: {}, false: {}}
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			sent[strings.Contains(promQL, "requests")].Add(1)
			return slowly(func(string) time.Duration { return 2 * time.Second })(ctx, promQL)
		})
		f.run(t)
		for i := range 2 {
			f.read(t, cold("other", i))
		}
		time.Sleep(time.Second) // one has the slot of reads, one waits
		moved := pods("a", "")
		f.read(t, moved)
		time.Sleep(100 * time.Millisecond)
		f.want(t, moved)
		f.Soon(moved)
		time.Sleep(interval - 2*time.Second)
		synctest.Wait()
		if n := sent[true].Load(); n != 1 || f.reason(moved) != "ok" || sent[false].Load() != 2 {
			t.Errorf("sent %d times, %s; others %d times", n, f.reason(moved), sent[false].Load())
		}
	})
}

// What was evaluated by Soon is not evaluated once more at the next look, unless that failed.
func TestWhatIsFreshIsNotEvaluatedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(context.Context, string) (source.Answer, error)
		want   int // queries in ten intervals, besides the first
	}{
		"answered": {nil, 0},
		"failed": {func(context.Context, string) (source.Answer, error) {
			return source.Answer{}, &source.Error{Kind: source.Rejected, Text: "no"}
		}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Fresh = interval * 3 / 2 })
				f.source.set(tc.answer)
				ids := each(1, "ns", 0)
				f.want(t, ids...)
				f.run(t)
				time.Sleep(interval / 2)
				f.source.take()
				for range 10 {
					f.Soon(ids...)
					time.Sleep(interval)
				}
				if got := len(f.source.take()) - 10; got != tc.want {
					t.Errorf("%d queries besides those of Soon, want %d", got, tc.want)
				}
				time.Sleep(3 * interval)
				if got := len(f.source.take()); got < 1 {
					t.Error("what Soon leaves alone is not evaluated")
				}
			})
		})
	}
}
