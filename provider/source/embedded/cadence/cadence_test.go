package cadence_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/cadence"
)

const interval = 5 * time.Second

// pod is one that is scraped at its own moment of each interval.
type pod struct {
	namespace string
	offset    time.Duration
	jitter    time.Duration // each scrape comes up to so much later
	from, to  int           // the intervals in which it is there; to is 0 for all
}

// outcome is what a simulation gave, per namespace.
type outcome struct {
	evaluations int           // in all
	worst       time.Duration // from a scrape to its evaluation
	total       time.Duration
	scrapes     int
}

// simulate has pods scraped for so many intervals. What the first intervals give is left out.
func simulate(pods []pod, intervals int) map[string]*outcome {
	const step, settled = 50 * time.Millisecond, 6
	random := rand.New(rand.NewPCG(1, 2))
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := cadence.New(interval, began)
	at := map[time.Duration][]string{} // namespaces with a scrape, by moment
	for _, p := range pods {
		for i := range intervals {
			if i < p.from || p.to > 0 && i >= p.to {
				continue
			}
			moment := time.Duration(i)*interval + p.offset
			if p.jitter > 0 {
				moment += time.Duration(random.Int64N(int64(p.jitter)))
			}
			at[moment.Truncate(step)] = append(at[moment.Truncate(step)], p.namespace)
		}
	}
	out, waiting := map[string]*outcome{}, map[string][]time.Duration{}
	of := func(namespace string) *outcome {
		if out[namespace] == nil {
			out[namespace] = &outcome{}
		}
		return out[namespace]
	}
	for now := time.Duration(0); now < time.Duration(intervals)*interval; now += step {
		due := c.Due(began.Add(now))
		for namespace, since := range waiting {
			if !due.Has(namespace) {
				continue
			}
			o := of(namespace)
			if now > settled*interval {
				o.evaluations++
			}
			for _, scraped := range since {
				if scraped > settled*interval {
					o.scrapes++
					o.total += now - scraped
					o.worst = max(o.worst, now-scraped)
				}
			}
			delete(waiting, namespace)
		}
		for _, namespace := range at[now] {
			c.Committed(namespace, began.Add(now))
			waiting[namespace] = append(waiting[namespace], now)
		}
	}
	return out
}

func spread(n int) (pods []pod) {
	for i := range n {
		pods = append(pods, pod{namespace: "shop", offset: interval * time.Duration(i) / time.Duration(n)})
	}
	return pods
}

// What changes in a pod is scraped within an interval, and evaluated within worst.
func TestEvaluationsFollowScrapes(t *testing.T) {
	const intervals = 60
	for name, tc := range map[string]struct {
		pods    []pod
		evals   float64       // an interval, at most
		worst   time.Duration // from a scrape to its evaluation, at most
		average time.Duration
	}{
		"one pod":                {[]pod{{namespace: "shop", offset: 1300 * time.Millisecond}}, 1, interval / 10, interval / 10},
		"one pod, at an edge":    {[]pod{{namespace: "shop", offset: 1400 * time.Millisecond, jitter: 300 * time.Millisecond}}, 1.1, interval / 5, interval / 5},
		"a few together":         {[]pod{{namespace: "shop", offset: 0}, {namespace: "shop", offset: 400 * time.Millisecond}, {namespace: "shop", offset: 900 * time.Millisecond}}, 1, 3 * interval / 10, interval / 5},
		"two, far apart":         {spread(2), 1, 6 * interval / 10, interval / 2},
		"a thousand":             {spread(1000), 1, interval, 6 * interval / 10},
		"a thousand, unreliable": {jittered(spread(1000)), 1.25, interval, 6 * interval / 10},
		"pods that come and go":  {coming(), 1.25, interval, 8 * interval / 10},
	} {
		t.Run(name, func(t *testing.T) {
			got := simulate(tc.pods, intervals)["shop"]
			if got == nil || got.scrapes == 0 {
				t.Fatal("nothing is evaluated")
			}
			each := float64(got.evaluations) / (intervals - 6)
			average := got.total / time.Duration(got.scrapes)
			t.Logf("%.2f evaluations an interval, %s after the scrape on average, %s at most", each, average, got.worst)
			if each > tc.evals+0.02 || each < 0.9 {
				t.Errorf("%.2f evaluations an interval, want 1 to %.2f", each, tc.evals)
			}
			if got.worst > tc.worst || average > tc.average {
				t.Errorf("%s after the scrape on average, %s at most; want %s and %s", average, got.worst, tc.average, tc.worst)
			}
		})
	}
}

func jittered(pods []pod) []pod {
	for i := range pods {
		pods[i].jitter = 2 * time.Second
	}
	return pods
}

// coming are pods each of which is there for twenty intervals.
func coming() (pods []pod) {
	for i := range 60 {
		pods = append(pods, pod{namespace: "shop", offset: time.Duration(i*i%50) * 100 * time.Millisecond, from: i, to: i + 20})
	}
	return pods
}

// Each namespace has its own moment, and what has no scrapes of its own follows all of them.
func TestNamespaces(t *testing.T) {
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := cadence.New(interval, began)
	after := func(d time.Duration) cadence.Due { return c.Due(began.Add(d)) }
	if after(0).Any() {
		t.Error("something is due before the first scrape")
	}
	c.Committed("shop", began.Add(100*time.Millisecond))
	due := after(500 * time.Millisecond)
	if !due.Any() || !due.Has("shop") || !due.Has("elsewhere") || !due.Has("") {
		t.Errorf("after the first scrape: %+v", due)
	}
	c.Committed("bank", began.Add(2100*time.Millisecond))
	if due := after(2500 * time.Millisecond); !due.Has("bank") || due.Has("shop") {
		t.Errorf("after the scrape of another namespace: %+v", due)
	}
	if after(5500 * time.Millisecond).Has("shop") {
		t.Error("due without a scrape since the last time")
	}
	// Whoever asks late is told once of what has become due meanwhile.
	c.Committed("shop", began.Add(5100*time.Millisecond))
	c.Committed("shop", began.Add(10100*time.Millisecond))
	if due := after(12 * time.Second); !due.Has("shop") {
		t.Errorf("late: %+v", due)
	}
	if due := after(12 * time.Second); due.Any() {
		t.Errorf("due twice: %+v", due)
	}
	if due := after(13 * time.Second); !due.Has("") || due.Has("shop") {
		t.Errorf("all pods together have their own moment: %+v", due)
	}
	// What is scraped no more is forgotten, and has its values from others, if at all.
	if due := after(10 * time.Minute); due.Any() {
		t.Errorf("due with nothing scraped: %+v", due)
	}
	c.Committed("bank", began.Add(10*time.Minute))
	for d := time.Duration(0); d < interval; d += interval / 10 {
		if after(10*time.Minute + d).Has("shop") {
			return
		}
	}
	t.Error("a namespace that is scraped no more is never due")
}

func TestWait(t *testing.T) {
	began := time.Now()
	c := cadence.New(interval, began)
	for since, want := range map[time.Duration]time.Duration{0: 500 * time.Millisecond, 100 * time.Millisecond: 400 * time.Millisecond, 7499 * time.Millisecond: time.Millisecond} {
		if got := c.Wait(began.Add(since)); got != want {
			t.Errorf("after %s: %s, want %s", since, got, want)
		}
	}
}
