package eval

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
)

const (
	// sharingMemory is how long is remembered that reads cannot be asked together.
	sharingMemory = 10 * time.Minute
	// sharingDoubt is how long reads are asked by themselves of which is not known whether
	// they can be asked together.
	sharingDoubt = time.Minute
)

// sharing remembers which metrics are asked together with few others or none. It is safe
// for concurrent use.
type sharing struct {
	mu     sync.Mutex
	bounds map[metric.Identifier]bound
}

// bound is with how many reads, itself included, one is asked together at most.
type bound struct {
	reads int
	until time.Time
}

func newSharing() *sharing { return &sharing{bounds: map[metric.Identifier]bound{}} }

// of is the bound of a metric; 0 for none.
func (s *sharing) of(id metric.Identifier) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bounds[id].reads
}

// set bounds with how many others is asked what a query answers.
func (s *sharing) set(ids []metric.Identifier, reads int, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.bounds[id] = bound{reads, until}
	}
}

// narrow bounds them further.
func (s *sharing) narrow(ids []metric.Identifier, reads int, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if b := s.bounds[id].reads; b == 0 || b > reads {
			s.bounds[id] = bound{reads, until}
		}
	}
}

// forget forgets the bounds of metrics.
func (s *sharing) forget(ids []metric.Identifier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.bounds, id)
	}
}

// expire forgets what is over.
func (s *sharing) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.bounds, func(_ metric.Identifier, b bound) bool { return !now.Before(b.until) })
}

// limits of the queries that several reads share.
func (e *Evaluator) limits() plan.Limits {
	l := plan.DefaultLimits()
	if e.opts.Share > 0 {
		l.Reads = e.opts.Share
	}
	if e.opts.MaxAnswer > 0 {
		l.Values = min(l.Values, max(1, e.opts.MaxAnswer/2))
	}
	l.Count = e.opts.Objects.Count
	return l
}

// Explain plans everything that is wanted, as the next evaluation does, and says how. It
// asks the source nothing.
func (e *Evaluator) Explain(ctx context.Context) plan.Explanation {
	atOnce, cancel := context.WithCancel(ctx)
	cancel()
	failed := map[metric.Identifier]error{}
	var wants []plan.Want
	for _, id := range e.opts.Demand.Wanted() {
		w, err := e.resolve(atOnce, id)
		if errors.Is(err, errElsewhere) {
			continue
		}
		if err != nil {
			failed[id] = err
			continue
		}
		wants = append(wants, w)
	}
	wants, refused := e.admit(wants)
	slices.SortFunc(wants, func(a, b plan.Want) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	p := e.plan(wants)
	maps.Copy(p.Failed, failed)
	maps.Copy(p.Failed, refused)
	return p.Explain().Of(e.opts.Name)
}

// plan plans wants, of which it tells those apart that must not share a query: an HPA's does
// not wait for what is only read, nor what the source answered the last time for what it
// left unanswered.
func (e *Evaluator) plan(wants []plan.Want) plan.Plan {
	for i := range wants {
		w := &wants[i]
		if e.opts.Demand.Referenced(w.ID) {
			w.Class |= 1
		}
		if e.history(w.ID).record == suspect {
			w.Class |= 2
		}
		w.Share = e.sharing.of(w.ID)
	}
	return e.planner.Plan(wants, e.limits())
}
