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
	"github.com/loadline/loadline/provider/source"
)

const (
	// sharingMemory is how long is remembered that reads cannot be asked together.
	sharingMemory = 10 * time.Minute
	// maxDivisions bounds the queries by which is found who is at fault. Which of a thousand
	// reads fails takes twenty; what is left is found the next time.
	maxDivisions = 64
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

// set bounds what a query answers.
func (s *sharing) set(q plan.Query, reads int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range q.For {
		s.bounds[id] = bound{reads, now.Add(sharingMemory)}
	}
}

// slow notes that a query was too slow, and not because the source is away: fewer reads
// are asked together the next time, until it is known whose fault it is.
func (s *sharing) slow(q plan.Query, now time.Time, err error, away bool) {
	if q.Shared() && source.KindOf(err) == source.Timeout && !away {
		s.set(q, max(1, len(q.Parts)/4), now)
	}
}

// expire forgets what is over.
func (s *sharing) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.bounds, func(_ metric.Identifier, b bound) bool { return !now.Before(b.until) })
}

// ofTheQuery says whether an error is an answer about the query, which is another for
// fewer reads.
func ofTheQuery(err error) bool {
	switch source.KindOf(err) {
	case source.Rejected, source.Incomplete, source.Oversized, source.Unusable:
		return true
	}
	return false
}

// divide asks the halves of a query that failed, and theirs, until those stand alone whose
// own query fails.
func (e *Evaluator) divide(ctx context.Context, q plan.Query, began time.Time, cause error) {
	if !q.Shared() {
		e.alone(q, began, cause)
		return
	}
	d := division{Evaluator: e, left: maxDivisions}
	d.halves(ctx, q, cause)
}

// alone notes that the one read of a query is at fault.
func (e *Evaluator) alone(q plan.Query, began time.Time, err error) {
	e.sharing.set(q, 1, began)
	e.fail(q, began, err)
}

// division is one search.
type division struct {
	*Evaluator
	left int // queries
}

func (d *division) halves(ctx context.Context, q plan.Query, cause error) {
	large := tooLarge(cause)
	first, second := q.Split()
	for _, half := range []plan.Query{first, second} {
		if d.left == 0 {
			d.notAsked(half, cause)
			continue
		}
		d.left--
		began, err := d.answered(ctx, half)
		switch {
		case err == nil && large: // so many it can be
			d.sharing.set(half, len(half.Parts), began)
		case err == nil, source.KindOf(err) == source.Canceled:
		case ofTheQuery(err) && half.Shared():
			d.halves(ctx, half, err)
		case ofTheQuery(err):
			d.alone(half, began, err)
		default:
			d.fail(half, began, err)
			d.left = 0 // the source goes away, or is slow: not the time to search
		}
	}
}

// notAsked notes that a query was not sent, since too many are at fault. Nothing is learnt
// about its values by that.
func (d *division) notAsked(q plan.Query, cause error) {
	err := metric.Because(metric.SourceFailed, cause, "%s: asked together with others, whose queries fail, and not yet by itself", q.Rule)
	now := d.opts.Now()
	for _, id := range q.For {
		d.opts.Store.Fail(id, now, err)
	}
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
	return plan.Make(wants, e.opts.Mapper, e.limits())
}
