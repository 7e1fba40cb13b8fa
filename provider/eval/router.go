package eval

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Router is one evaluator for each source, which leaves what is wanted of others alone. So
// each has its own pace, its own slots and its own judgement of whether it is away, and
// there is nothing by which one that hangs could hold up another. See NewRouter.
type Router struct {
	sourceOf func(metric.Identifier) string
	members  atomic.Pointer[map[string]*Evaluator]
	changed  chan struct{}
}

// NewRouter returns a router that does nothing until Run or First. members are by the
// names of their sources, and sourceOf says which of these gives a metric. The member whose
// name is empty also gets what none gives.
func NewRouter(sourceOf func(metric.Identifier) string, members map[string]*Evaluator) *Router {
	r := &Router{sourceOf: sourceOf, changed: make(chan struct{}, 1)}
	r.members.Store(&members)
	return r
}

// Set puts other members in the place of the present ones. Run begins the new ones and ends
// those that are gone; a member that stays goes on.
func (r *Router) Set(members map[string]*Evaluator) {
	r.members.Store(&members)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *Router) all() map[string]*Evaluator { return *r.members.Load() }

// Run evaluates until ctx ends, and returns when all it started has ended.
func (r *Router) Run(ctx context.Context) {
	running := map[*Evaluator]func(){}
	for {
		members := r.all()
		for _, e := range members {
			if running[e] == nil {
				running[e] = begin(ctx, e)
			}
		}
		for e, end := range running {
			if members[e.opts.Name] == e {
				continue
			}
			end()
			delete(running, e)
			if members[e.opts.Name] == nil {
				e.opts.Metrics.forget(e.opts.Name)
			}
		}
		select {
		case <-r.changed:
			continue
		case <-ctx.Done():
		}
		for _, end := range running {
			end()
		}
		return
	}
}

// closer is a source that keeps connections open.
type closer interface{ CloseIdleConnections() }

// begin runs an evaluator. The function it returns ends it, and waits for that: what it
// waits for itself ends with its context.
func begin(ctx context.Context, e *Evaluator) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
		if c, ok := e.opts.Source.(closer); ok {
			c.CloseIdleConnections()
		}
	}
}

// of is the evaluator of a metric; nil while its source is not there.
func (r *Router) of(id metric.Identifier) *Evaluator { return r.all()[r.sourceOf(id)] }

// byMember are ids by the evaluators that see to them.
func (r *Router) byMember(ids []metric.Identifier) map[*Evaluator][]metric.Identifier {
	each := map[*Evaluator][]metric.Identifier{}
	for _, id := range ids {
		if e := r.of(id); e != nil {
			each[e] = append(each[e], id)
		}
	}
	return each
}

// Soon evaluates ids without waiting for the next interval. It does not block.
func (r *Router) Soon(ids ...metric.Identifier) {
	for e, own := range r.byMember(ids) {
		e.Soon(own...)
	}
}

// Outage is why the source that gives a metric counts as away; nil if it does not. See
// Evaluator.Outage.
func (r *Router) Outage(id metric.Identifier) error {
	if e := r.of(id); e != nil {
		return e.Outage()
	}
	return nil
}

// Up says of each source of which that is known, by its name, whether it answers. See
// Evaluator.Up.
func (r *Router) Up() map[string]bool {
	all := map[string]bool{}
	for name, e := range r.all() {
		if up, known := e.Up(); known {
			all[name] = up
		}
	}
	return all
}

// Beat is when the evaluator that showed it least showed that it is alive; zero if there is
// none. See Evaluator.Beat.
func (r *Router) Beat() (oldest time.Time) {
	for _, e := range r.all() {
		if beat := e.Beat(); oldest.IsZero() || beat.Before(oldest) {
			oldest = beat
		}
	}
	return oldest
}

// Explain says what each source is asked, and why so. See Evaluator.Explain.
func (r *Router) Explain(ctx context.Context) plan.Explanation {
	var all []plan.Explanation
	for _, e := range r.all() {
		all = append(all, e.Explain(ctx))
	}
	return plan.Join(all...)
}

// Asks says what the source that gives a metric is asked for it, or that the source is not
// there. See Evaluator.Asks.
func (r *Router) Asks(ctx context.Context, id metric.Identifier) Asked {
	if e := r.of(id); e != nil {
		return e.Asks(ctx, id)
	}
	return Asked{Err: metric.Errorf(metric.SourceFailed, "there is no source %q", rule.SourceLabel(r.sourceOf(id)))}
}

// nowhere is a source that is not there.
type nowhere struct{}

// Query implements Source.
func (nowhere) Query(context.Context, string) (source.Answer, error) {
	return source.Answer{}, &source.Error{Kind: source.Rejected, Text: "there is no such source"}
}
