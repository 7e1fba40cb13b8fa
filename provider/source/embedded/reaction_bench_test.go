package embedded_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/cadence"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// rateOf is a rate as the built-in rules have it.
func rateOf(counter string, window time.Duration) string {
	return fmt.Sprintf("rate(%[1]s[%[2]s]) and count_over_time(%[1]s[%[2]s]) >= 4 or irate(%[1]s[%[2]s])", counter, window)
}

// BenchmarkColdStart prints how long it takes from when pods are known until the last of them
// has its rate, and that is right, in scrape intervals.
//
//	go test -run - -bench ColdStart -benchtime 1x ./provider/source/embedded
func BenchmarkColdStart(b *testing.B) {
	for _, pods := range []int{1000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) {
			targets := exporters(b, pods)
			for b.Loop() {
				coldStart(b, targets)
			}
		})
	}
}

func coldStart(b *testing.B, targets []target.Target) {
	s := run(b, embedded.Config{Engine: engine.Config{MaxSeries: 10_000_000}})
	query := rateOf("steady_total", 4*scrape.DefaultInterval)
	s.Set(targets, target.Fence{Loopback: true}, wanted.Everything())
	began := time.Now()
	for right := 0; right < len(targets); time.Sleep(scrape.DefaultInterval / 20) {
		if time.Since(began) > 10*scrape.DefaultInterval {
			b.Fatalf("%d of %d pods have the right rate", right, len(targets))
		}
		answer, err := s.Query(b.Context(), query)
		if err != nil {
			b.Fatal(err)
		}
		right = 0
		for _, sample := range answer.Samples {
			if math.Abs(sample.Value-steadyRate) < steadyRate/10 {
				right++
			}
		}
	}
	b.ReportMetric(time.Since(began).Seconds()/scrape.DefaultInterval.Seconds(), "intervals")
}

// stepped is the load of some pods, which is the same of each and can be changed.
type stepped struct {
	mu    sync.Mutex
	count float64
	rate  float64
	since time.Time
}

func (l *stepped) set(rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count, l.rate, l.since = l.count+l.rate*time.Since(l.since).Seconds(), rate, time.Now()
}

func (l *stepped) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(w, "load %v\nload_total %v\n", l.rate, l.count+l.rate*time.Since(l.since).Seconds())
}

// BenchmarkReaction prints how long it takes from a change of the load until it is in what was
// evaluated last, at the cadence of the adapter, in scrape intervals: best, median and worst
// of many. Of a gauge that is all of it, of all pods. Of a rate, "first" is a twentieth of it,
// as from the first scrape after it on, and "all" nine tenths, for which the window of four
// scrapes must have passed.
//
//	go test -run - -bench Reaction -benchtime 1x ./provider/source/embedded
func BenchmarkReaction(b *testing.B) {
	for _, pods := range []int{1, 100} {
		b.Run(fmt.Sprintf("pods=%d/gauge", pods), func(b *testing.B) {
			for b.Loop() {
				reaction(b, pods, "sum(load)", map[string]float64{"all": 0.999})
			}
		})
		b.Run(fmt.Sprintf("pods=%d/rate", pods), func(b *testing.B) {
			for b.Loop() {
				reaction(b, pods, "sum("+rateOf("load_total", 4*reactionInterval)+")", map[string]float64{"first": 0.05, "all": 0.9})
			}
		})
	}
}

const (
	reactionInterval = time.Second
	reactionSteps    = 20
)

func reaction(b *testing.B, pods int, query string, parts map[string]float64) {
	const low, high = 100, 200
	l := &stepped{since: time.Now()}
	l.set(low)
	at := exporterAt(b, "127.0.0.1:0", l.ServeHTTP)
	s := run(b, embedded.Config{Scrape: scrape.Config{Interval: reactionInterval}})
	var targets []target.Target
	for i := range pods {
		targets = append(targets, target.Target{Namespace: "shop", Pod: fmt.Sprintf("web-%d", i), Node: "n", Address: at, Scheme: "http", Path: "/metrics"})
	}
	s.Set(targets, target.Fence{Loopback: true}, wanted.Everything())
	answers := make(chan float64, 1000)
	ctx, cancel := context.WithCancel(b.Context())
	var following sync.WaitGroup
	following.Go(func() {
		s.Follow(ctx, func(due cadence.Due) {
			if !due.Has("shop") {
				return
			}
			if answer, err := s.Query(ctx, query); err == nil && len(answer.Samples) == 1 {
				answers <- answer.Samples[0].Value / float64(pods)
			}
		})
	})
	defer following.Wait()
	defer cancel()

	await := func(is func(float64) bool) {
		for {
			select {
			case v := <-answers:
				if is(v) {
					return
				}
			case <-time.After(20 * reactionInterval):
				b.Fatal("the change is never answered")
			}
		}
	}
	took := map[string][]float64{}
	from, to := float64(low), float64(high)
	await(func(v float64) bool { return math.Abs(v-from) < 1 })
	names := slices.SortedFunc(maps.Keys(parts), func(a, b string) int { return int(1e6 * (parts[a] - parts[b])) })
	for range reactionSteps {
		time.Sleep(time.Duration(rand.Int64N(int64(2 * reactionInterval)))) // at any moment of an interval
		for len(answers) > 0 {
			<-answers
		}
		l.set(to)
		began := time.Now()
		left := names
		await(func(v float64) bool {
			for len(left) > 0 && math.Abs(v-from) >= parts[left[0]]*math.Abs(to-from) {
				took[left[0]] = append(took[left[0]], time.Since(began).Seconds()/reactionInterval.Seconds())
				left = left[1:]
			}
			return len(left) == 0
		})
		await(func(v float64) bool { return math.Abs(v-to) < 3 })
		from, to = to, from
	}
	for name, all := range took {
		slices.Sort(all)
		b.ReportMetric(all[0], name+"-best")
		b.ReportMetric(all[len(all)/2], name+"-median")
		b.ReportMetric(all[len(all)-1], name+"-worst")
	}
}
