package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// manySlots is the default of --query-concurrency.
func manySlots(o *eval.Options) { o.Concurrency = 8 }

// cold is a metric of namespace that nobody wanted before.
func cold(namespace string, i int) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: "queue_01", Namespace: namespace, MetricSelector: fmt.Sprintf("n=%d", i)}
}

// read is what a reader does with a metric that was never evaluated.
func (f *fixture) read(t *testing.T, id metric.Identifier) (waits bool) {
	t.Helper()
	if err := f.demand.Read(id, time.Now()); err != nil {
		t.Fatal(err)
	}
	if f.store.Get(id) != nil || f.Outage() != nil {
		return false
	}
	f.Soon(id)
	return true
}

// after answers with 1 after what the query takes by took.
func after(took func(promQL string) time.Duration) func(context.Context, string) (source.Answer, error) {
	return func(ctx context.Context, promQL string) (source.Answer, error) {
		select {
		case <-time.After(took(promQL)):
			return one(), nil
		case <-ctx.Done():
			return source.Answer{}, &source.Error{Kind: source.Timeout, Text: "no answer", Err: ctx.Err()}
		}
	}
}

// oldest watches id for d and returns the greatest age that its value had.
func (f *fixture) oldest(t *testing.T, id metric.Identifier, d time.Duration) (age time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		s := f.store.Get(id)
		if s == nil || s.Data == nil {
			t.Fatalf("%s has no value", id)
		}
		age = max(age, time.Since(s.Data.Evaluated))
	}
	return age
}

// 15 new reads a second from the moment on which the source hangs: that it is away is
// known within two deadlines (new queries that hang give the reason to ask one that was
// answered before), what waits fails then, no further read waits, and the
// evaluator is alive all the time. Once the source answers, the HPA's value is fresh
// within an interval.
func TestColdReadsWhileTheSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, manySlots)
		f.want(t, queue(0))
		f.run(t)
		time.Sleep(interval / 2)
		f.source.set(hang)
		began := time.Now()
		var silent, unknown time.Duration
		for i := range 15 * 60 {
			waits := f.read(t, cold("tenant", i))
			if waits {
				unknown = time.Since(began)
			}
			silent = max(silent, time.Since(f.Beat()))
			time.Sleep(time.Second / 15)
			synctest.Wait()
		}
		if limit := 2*timeout + time.Second; unknown > limit {
			t.Errorf("a read waited %s after the source went away, want none after %s", unknown, limit)
		}
		if silent > interval+timeout {
			t.Errorf("no sign of life for %s", silent)
		}
		if got := f.reason(cold("tenant", 0)); got != "source-failed" {
			t.Errorf("a read of the beginning: %s", got)
		}
		f.source.set(nil)
		time.Sleep(interval + timeout) // what hangs is given up, and the next look is there
		synctest.Wait()
		if s := f.store.Get(queue(0)); s.Err != nil || time.Since(s.Data.Evaluated) > interval || f.Outage() != nil {
			t.Errorf("after the outage: %+v, outage %v", s, f.Outage())
		}
	})
}

// Reads that nobody's HPA references, each of 2 s, cost an HPA's value at most the time
// in which slots become free.
func TestSlowReadsLeaveHPAsTheirInterval(t *testing.T) {
	for _, reads := range []int{100, 2000} {
		t.Run(fmt.Sprint(reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, manySlots)
				f.source.set(after(func(promQL string) time.Duration {
					if strings.Contains(promQL, "queue_00") {
						return 5 * time.Millisecond
					}
					return 2 * time.Second
				}))
				f.want(t, queue(0))
				f.run(t)
				time.Sleep(time.Second)
				for i := range reads {
					f.read(t, cold("other", i))
				}
				if age := f.oldest(t, queue(0), 2*time.Minute); age > interval+100*time.Millisecond {
					t.Errorf("the HPA's value was %s old, want about %s", age, interval)
				}
				ok := 0
				for i := range reads {
					if f.reason(cold("other", i)) == "ok" {
						ok++
					}
				}
				if want := min(reads, 200); ok < want { // of 360 queries, some of them for a second time
					t.Errorf("%d of the slow reads have a value, want at least %d", ok, want)
				}
				// A first read of a third namespace does not wait for all of them either.
				f.read(t, cold("third", 0))
				time.Sleep(5 * time.Second)
				if got := f.reason(cold("third", 0)); got != "ok" {
					t.Errorf("another namespace's read: %s", got)
				}
			})
		})
	}
}

// A metric that waits among many slow reads when an HPA comes to reference it waits there
// no longer than to the next look at what is wanted.
func TestAReadThatIsReferencedGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, manySlots)
		f.source.set(after(func(string) time.Duration { return 2 * time.Second }))
		f.run(t)
		for i := range 1000 {
			f.read(t, cold("other", i))
		}
		time.Sleep(time.Second)
		var last metric.Identifier
		for i := range 1000 {
			if id := cold("other", i); f.reason(id) == "none" {
				last = id
			}
		}
		f.want(t, last)
		time.Sleep(interval + 2*(2*time.Second))
		if got := f.reason(last); got != "ok" {
			t.Errorf("%s: %s", last, got)
		}
	})
}

// What HPAs of one namespace reference, slow and more than fits into an interval,
// delays another namespace's by one of these queries at most.
func TestSlowReferencesOfOneNamespaceDelayNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, manySlots)
		const slow = 2 * time.Second
		f.source.set(after(func(promQL string) time.Duration {
			if strings.Contains(promQL, "queue_00") {
				return 5 * time.Millisecond
			}
			return slow
		}))
		ids := []metric.Identifier{queue(0)}
		for i := range 100 {
			ids = append(ids, cold("other", i))
		}
		f.want(t, ids...)
		f.run(t)
		time.Sleep(slow + time.Second)
		if age := f.oldest(t, queue(0), 2*time.Minute); age > interval+slow+100*time.Millisecond {
			t.Errorf("the value was %s old, want at most %s", age, interval+slow)
		}
	})
}

// Queries that always time out are no outage while others are answered, in whatever
// number, and leave these at their interval.
func TestQueriesThatAlwaysTimeOutAreNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, manySlots)
		f.source.set(after(func(promQL string) time.Duration {
			if strings.Contains(promQL, "queue_00") {
				return 5 * time.Millisecond
			}
			return time.Hour
		}))
		f.want(t, queue(0))
		f.run(t)
		var away time.Duration
		for i := range 15 * 60 { // the first 30 s with 15 new ones a second
			if i < 15*30 {
				f.read(t, cold("other", i))
			}
			time.Sleep(time.Second / 15)
			synctest.Wait()
			if f.Outage() != nil {
				away += time.Second / 15
			}
			if s := f.store.Get(queue(0)); time.Since(s.Data.Evaluated) > interval+timeout {
				t.Fatalf("the HPA's value is %s old", time.Since(s.Data.Evaluated))
			}
		}
		// Six that are lost in a row make the source suspicious until what HPAs
		// reference was asked, which is at once.
		if away > time.Second {
			t.Errorf("it counted as away for %s of a minute", away)
		}
	})
}

// What waits for a slot for too long is told so, and planned anew.
func TestQueriesThatWaitForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Concurrency = 1 })
		f.source.set(after(func(string) time.Duration { return 4 * time.Second }))
		f.run(t)
		for i := range 50 {
			f.read(t, cold("a", i))
		}
		time.Sleep(time.Minute + interval)
		synctest.Wait()
		ok, first := 0, 0
		for i := range 50 {
			switch s := f.store.Get(cold("a", i)); f.reason(cold("a", i)) {
			case "ok":
				ok++
			case "source-failed":
				if !strings.Contains(s.Err.Error(), "raise --query-concurrency") {
					t.Errorf("no remedy in %q", s.Err)
				}
			default:
				first++
			}
		}
		if first > 1 {
			t.Errorf("of %d nothing is known, want at most the one under way", first)
		}
		if ok == 0 || ok == 50 {
			t.Errorf("%d of 50 evaluated in 70 s of 4 s each: this test tests nothing", ok)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		for i := range 50 {
			if got := f.reason(cold("a", i)); got != "ok" {
				t.Errorf("%s: %s", cold("a", i), got)
			}
		}
	})
}
