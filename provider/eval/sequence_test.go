package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// moody is a source whose mood changes.
type moody struct {
	mu     sync.Mutex
	random *rand.Rand
	mood   string
	since  time.Time // of the mood, or of a change of what is wanted
}

var moods = []string{"quick", "hung", "fickle", "refusing", "partly"}

func (s *moody) n(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *moody) become(mood string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood, s.since = mood, time.Now()
}

func (s *moody) query(ctx context.Context, promQL string) (source.Answer, error) {
	dice, takes := s.n(4), time.Duration(s.n(3000))*time.Millisecond
	s.mu.Lock()
	mood := s.mood
	s.mu.Unlock()
	switch {
	case mood == "quick":
		takes = 5 * time.Millisecond
	case mood == "hung" || mood == "fickle" && dice == 0 || mood == "partly" && strings.Contains(promQL, "queue_01"):
		takes = time.Hour
	case mood == "fickle" && dice == 1:
		return source.Answer{}, &source.Error{Kind: source.Unavailable}
	case mood == "refusing":
		return source.Answer{}, &source.Error{Kind: source.Rejected}
	}
	return slowly(func(string) time.Duration { return takes })(ctx, promQL)
}

// Whatever is wanted and however the source behaves: there is a sign of life each interval
// and deadline; when it hangs, that is known after two of them, and when it answers,
// no later, and what HPAs reference is fresh an interval after that.
func TestRandomSequences(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sequence(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

func sequence(t *testing.T, random *rand.Rand) {
	n := []int{1, 2, 3, 4, 8, 16}[random.IntN(6)]
	limit := []time.Duration{timeout, time.Minute}[random.IntN(2)]
	f := setupWith(t, func(o *eval.Options) { o.Concurrency = n; o.Timeout = limit })
	s := &moody{random: random}
	s.become("quick")
	f.source.set(s.query)
	f.run(t)
	var hpas []metric.Identifier
	for step := range 1500 {
		if s.n(300) == 0 {
			s.become(moods[s.n(len(moods))])
		}
		switch op := s.n(40); {
		case op == 0:
			hpas = nil
			for i := range s.n(30) {
				hpas = append(hpas, in(fmt.Sprintf("h%d", i%7), i%20))
			}
			added, err := f.demand.Reference("ns/hpa", hpas)
			if err != nil {
				t.Fatal(err)
			}
			f.Soon(added...)
			s.become(s.mood)
		case op < 3:
			for i := range s.n(30) {
				f.read(t, cold("r", 100*step+i))
			}
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if silent := time.Since(f.Beat()); silent > interval+limit+time.Second {
			t.Fatalf("%d slots, deadline %s: silent for %s", n, limit, silent)
		}
		f.checkMood(t, s, hpas, limit)
	}
}

// checkMood looks for what must hold once a mood has lasted.
func (f *fixture) checkMood(t *testing.T, s *moody, hpas []metric.Identifier, limit time.Duration) {
	lasts := time.Since(s.since)
	switch s.mood {
	case "hung":
		if len(hpas) > 0 && lasts > 2*interval+2*limit && f.Outage() == nil {
			t.Fatalf("no outage though everything has hung for %s", lasts)
		}
	case "quick":
		if lasts <= 2*interval+limit {
			return
		}
		if err := f.Outage(); err != nil {
			t.Fatalf("outage %v though everything is answered for %s", err, lasts)
		}
		for _, id := range hpas {
			if s := f.store.Get(id); lasts > 3*interval+limit && (s == nil || s.Err != nil || time.Since(s.Data.Evaluated) > interval+time.Second) {
				t.Fatalf("%s is %+v though everything is answered for %s", id, s, lasts)
			}
		}
	}
}
