// Package provider answers the metrics APIs from the store. A read records what
// is wanted, joins the newest values to the live objects, and waits for nothing
// unless the metric is new.
package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// Demand records reads.
type Demand interface {
	ReadThrough(id metric.Identifier, namespace string, now time.Time) error
}

// Evaluator evaluates what was never evaluated.
type Evaluator interface {
	Soon(...metric.Identifier)
	// Outage is why the source that gives a metric is away; nil if it is not.
	Outage(metric.Identifier) error
}

// Reader gets evaluated data out of the store.
type Reader struct {
	Demand    Demand
	Evaluator Evaluator
	Store     *store.Store
	// MaxAge of an evaluation: older data is an error.
	MaxAge time.Duration
	// Patience is how long a read waits for the first evaluation.
	Patience time.Duration
	Now      func() time.Time
}

// Read returns the data of id, or an *metric.Error. namespace is the one for which
// the request was authorized, and for which a new metric counts; empty is none.
//
// Data outlives a failing source up to MaxAge. What the source itself answered,
// a value that is no number among them, replaces it at once.
func (r *Reader) Read(ctx context.Context, id metric.Identifier, namespace string) (*store.Data, error) {
	now := r.Now()
	if err := r.Demand.ReadThrough(id, namespace, now); err != nil {
		return nil, err
	}
	snap := r.Store.Get(id)
	if snap == nil {
		var err error
		if snap, err = r.first(ctx, id); err != nil {
			return nil, err
		}
		now = r.Now()
	}
	if err := r.unserved(snap, now); err != nil {
		if metric.ReasonOf(err) == metric.Undefined {
			// A read gets here with a metric that the catalog has, so it has it only
			// since the evaluation that missed it.
			r.Evaluator.Soon(id)
			return nil, metric.Because(metric.Pending, err, "not evaluated since its series were discovered; that is under way")
		}
		return nil, err
	}
	return snap.Data, nil
}

// Want has metrics evaluated that are not known yet, all at once and without waiting for
// them. A Read of each has to follow, which says what keeps it from being wanted.
func (r *Reader) Want(ids ...metric.Identifier) {
	now := r.Now()
	var unknown []metric.Identifier
	for _, id := range ids {
		if r.Store.Get(id) == nil && r.Evaluator.Outage(id) == nil && r.Demand.ReadThrough(id, id.Namespace, now) == nil {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		r.Evaluator.Soon(unknown...)
	}
}

// unserved is why what snap holds is not served at now; nil if it is.
func (r *Reader) unserved(snap *store.Snapshot, now time.Time) error {
	return snap.Unserved(now, r.MaxAge)
}

// Oldest is the evaluation time of the oldest value that a read would be served
// with now; ok is false where none would. It walks the store.
func (r *Reader) Oldest() (at time.Time, ok bool) {
	now := r.Now()
	r.Store.Each(func(_ metric.Identifier, snap *store.Snapshot) {
		if snap.Data == nil || !snap.Data.Any() || r.unserved(snap, now) != nil {
			return
		}
		if !ok || snap.Data.Evaluated.Before(at) {
			at, ok = snap.Data.Evaluated, true
		}
	})
	return at, ok
}

// first waits for the first evaluation. While the metric's source is away it does not:
// five waiting reads stall every HPA of the cluster.
func (r *Reader) first(ctx context.Context, id metric.Identifier) (*store.Snapshot, error) {
	if err := r.Evaluator.Outage(id); err != nil {
		return nil, metric.Because(metric.SourceFailed, err, "not evaluated yet")
	}
	r.Evaluator.Soon(id)
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	snap, err := r.Store.Wait(ctx, id)
	if err != nil {
		return nil, metric.Errorf(metric.Pending, "the first evaluation has not finished within %s; it goes on in the background", r.Patience)
	}
	return snap, nil
}

// ofSource names the source that was asked, where it has a name.
func ofSource(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" of source %q", name)
}
