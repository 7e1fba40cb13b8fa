package eval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

func slots(n int) func(*eval.Options) { return func(o *eval.Options) { o.Concurrency = n } }

// in is a metric of namespace; those of different namespaces have different queries.
func in(namespace string, i int) metric.Identifier {
	id := queue(i)
	id.Namespace, id.MetricSelector = namespace, "ns="+namespace
	return id
}

// each returns a metric of each of n namespaces.
func each(n int, prefix string, i int) (ids []metric.Identifier) {
	for k := range n {
		ids = append(ids, in(fmt.Sprintf("%s%03d", prefix, k), i))
	}
	return ids
}

// slowly answers like after, except that it tells a call that was given up from one
// whose time was over.
func slowly(took func(promQL string) time.Duration) func(context.Context, string) (source.Answer, error) {
	answer := after(took)
	return func(ctx context.Context, promQL string) (source.Answer, error) {
		a, err := answer(ctx, promQL)
		if errors.Is(ctx.Err(), context.Canceled) {
			return a, &source.Error{Kind: source.Canceled, Text: "given up", Err: ctx.Err()}
		}
		return a, err
	}
}

// queue19Hangs answers everything else after d.
func queue19Hangs(d time.Duration) func(context.Context, string) (source.Answer, error) {
	return slowly(func(promQL string) time.Duration {
		if strings.Contains(promQL, "queue_19") {
			return time.Hour
		}
		return d
	})
}

// watch calls look each 100 ms for d, and returns for how long the source counted as away.
func (f *fixture) watch(d time.Duration, look func()) (away time.Duration) {
	const step = 100 * time.Millisecond
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(step)
		synctest.Wait()
		if f.Outage() != nil {
			away += step
		}
		look()
	}
	return away
}

// New metrics whose queries hang, however many and in however many namespaces, let
// values that were there before grow no older than an interval, the pause before a look out
// of doubt and, with one slot, three deadlines of those that come to their turn; and the source does not count as away because of them.
func TestNewQueriesThatHangStopNoOthers(t *testing.T) {
	for _, c := range []struct{ slots, namespaces, each int }{
		{1, 1, 10}, {1, 10, 1}, {2, 1, 10}, {2, 2, 10}, {3, 3, 10}, {4, 30, 1}, {8, 1, 60}, {8, 8, 8}, {8, 60, 1}, {16, 60, 2},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, slots(c.slots))
				f.source.set(queue19Hangs(5 * time.Millisecond))
				good := []metric.Identifier{in("good", 0), in("good", 1), in("other", 0), in("other", 1)}
				f.want(t, good...)
				f.run(t)
				time.Sleep(time.Minute)
				var bad []metric.Identifier
				for _, id := range each(c.namespaces, "bad", 19) {
					for j := range c.each {
						id.MetricSelector = fmt.Sprintf("ns=%s,j=%d", id.Namespace, j)
						bad = append(bad, id)
					}
				}
				f.want(t, append(good, bad...)...)
				f.Soon(bad...)
				var age time.Duration
				away := f.watch(5*time.Minute, func() {
					for _, id := range good {
						age = max(age, time.Since(f.store.Get(id).Data.Evaluated))
					}
				})
				limit := interval + 500*time.Millisecond
				if c.slots == 1 {
					limit += 3 * timeout
				}
				if age > limit+100*time.Millisecond || away > 0 {
					t.Errorf("values got %s old, want at most %s; away for %s", age, limit, away)
				}
				for _, id := range bad {
					if got := f.reason(id); got != "source-failed" {
						t.Errorf("%s: %s", id, got)
					}
				}
			})
		})
	}
}

// New queries that hang, one less than there are slots, are no outage: neither between two
// looks at what is wanted, when nothing else is asked, nor while others are answered,
// which all get their turn.
func TestNewQueriesThatHangAreNoOutage(t *testing.T) {
	for _, n := range []int{2, 3, 4, 8, 16} {
		for name, later := range map[string]time.Duration{"between": interval / 3, "together": interval - 100*time.Millisecond} {
			t.Run(fmt.Sprint(n, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := setupWith(t, slots(n))
					f.source.set(queue19Hangs(120 * time.Millisecond))
					good := each(10*n, "good", 0)
					f.want(t, good...)
					f.run(t)
					time.Sleep(interval + later)
					bad := each(n-1, "bad", 19)
					f.want(t, append(good, bad...)...)
					if name == "between" {
						f.Soon(bad...)
					}
					away := f.watch(time.Minute, func() {
						for _, id := range good {
							if s := f.store.Get(id); s.Err != nil || time.Since(s.Data.Evaluated) > 2*interval {
								t.Fatalf("%s: %+v", id, s)
							}
						}
					})
					if away > 0 {
						t.Errorf("away for %s", away)
					}
				})
			})
		}
	}
}

// When the source is back, what it answered before it went away is fresh within two
// intervals and a deadline, however many other queries always hang.
func TestRecoveryBesideQueriesThatAlwaysHang(t *testing.T) {
	for _, c := range []struct{ slots, good, hung int }{{1, 2, 3}, {2, 2, 10}, {4, 2, 20}, {8, 2, 20}, {8, 2, 60}, {8, 100, 60}, {3, 20, 20}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, slots(c.slots))
				quick := queue19Hangs(5 * time.Millisecond)
				f.source.set(quick)
				good := each(c.good, "good", 0)
				f.want(t, append(good, each(c.hung, "bad", 19)...)...)
				f.run(t)
				time.Sleep(5 * time.Minute)
				for _, id := range good {
					if got := f.reason(id); got != "ok" {
						t.Fatalf("before the outage, %s: %s", id, got)
					}
				}
				f.source.set(hang)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if f.Outage() == nil {
					t.Fatal("no outage")
				}
				f.source.set(quick)
				f.watch(2*interval+timeout, func() {})
				if err := f.Outage(); err != nil {
					t.Errorf("still away: %v", err)
				}
				for _, id := range good {
					if got := f.reason(id); got != "ok" {
						t.Errorf("%s: %s", id, got)
					}
				}
			})
		})
	}
}

// An outage is known within an interval, a deadline and a second, however many other queries always
// hang and are tried again.
func TestOutageIsKnownBesideQueriesThatAlwaysHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, manySlots)
		f.source.set(queue19Hangs(5 * time.Millisecond))
		f.want(t, append(each(60, "bad", 19), in("good", 0))...)
		f.run(t)
		time.Sleep(5 * time.Minute)
		f.source.set(hang)
		time.Sleep(interval + timeout + time.Second)
		synctest.Wait()
		if f.Outage() == nil {
			t.Error("no outage")
		}
	})
}

// A look that finds all its queries still under way says nothing about the source.
func TestOutageLastsWhileItsQueriesAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Interval = 2 * time.Second })
		f.source.set(hang)
		f.want(t, queue(0))
		f.run(t)
		time.Sleep(timeout + time.Second)
		const d = 30 * time.Second
		if away := f.watch(d, func() {}); away != d {
			t.Errorf("away for %s of %s", away, d)
		}
	})
}

// The deadline of who asked says nothing about a source that takes its time: as at a
// start, whose first evaluation is waited for so long and no longer.
func TestTheCallersDeadlineIsNoTimeout(t *testing.T) {
	for name, runs := range map[string]bool{"alone": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, manySlots)
				f.source.set(slowly(func(string) time.Duration { return 4 * time.Second }))
				ids := each(200, "ns", 0)
				if runs {
					f.run(t)
				}
				f.want(t, ids...)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				r := f.Evaluate(ctx, ids)
				if r.Unreachable > 0 || r.Answered == 0 || r.Answered == 200 || f.Outage() != nil {
					t.Errorf("result %+v, outage %v", r, f.Outage())
				}
				for _, id := range ids {
					if got := f.reason(id); got != "ok" && got != "none" {
						t.Errorf("%s: %s", id, got)
					}
				}
				if away := f.watch(30*time.Second, func() {}); away > 0 {
					t.Errorf("away for %s", away)
				}
			})
		})
	}
}

// Whoever is not asked because others were left unanswered is not told what the source said
// of these, nor is whoever reads something new meanwhile.
func TestAnOutageQuotesNobody(t *testing.T) {
	for name, slots := range map[string]int{"lost one after the other": concurrency, "lost in one look": 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Concurrency = slots })
				f.source.set(func(_ context.Context, promQL string) (source.Answer, error) {
					return source.Answer{}, &source.Error{Kind: source.Unavailable, Text: "status 500: duplicate series of " + promQL, Quotes: true}
				})
				ids := queues(10)
				f.want(t, ids...)
				f.run(t)
				time.Sleep(interval / 2)
				if err := f.demand.Read(queue(11), time.Now()); err != nil {
					t.Fatal(err)
				}
				f.Soon(queue(11))
				time.Sleep(time.Second)
				if err := f.Outage(); err == nil || strings.Contains(err.Error(), "duplicate") {
					t.Errorf("the outage is %v", err)
				}
				for _, id := range append(ids, queue(11)) {
					why := strings.ReplaceAll(f.store.Get(id).Err.Error(), id.Metric, "")
					if strings.Contains(why, "queue_") {
						t.Errorf("%s is told: %s", id.Metric, why)
					}
				}
			})
		})
	}
}

// Whoever is not asked because the source is away is told of his own query, and not of that
// which he shares with others.
func TestNotSentTellsOfNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Share = 0 })
		f.source.set(func(context.Context, string) (source.Answer, error) {
			return source.Answer{}, &source.Error{Kind: source.Unavailable, Text: "connection refused"}
		})
		f.want(t, queues(10)...)
		f.run(t)
		time.Sleep(interval / 2)
		ids := []metric.Identifier{pods("alpha", ""), pods("beta", "")}
		for _, id := range ids {
			if err := f.demand.Read(id, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		f.Soon(ids...)
		time.Sleep(time.Second)
		for i, id := range ids {
			s := f.store.Get(id)
			if s == nil || s.Err == nil || !strings.Contains(s.Err.Error(), "not sent") || !strings.Contains(s.Err.Error(), id.Namespace) || strings.Contains(s.Err.Error(), ids[1-i].Namespace) {
				t.Errorf("%s is told: %+v", id.Namespace, s)
			}
		}
	})
}
