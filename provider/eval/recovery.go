package eval

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/store"
)

// Bounds of how long an answer after an outage may be held back.
const (
	minRecovery = 30 * time.Second
	maxRecovery = 2 * time.Minute
)

// recovering is the cause of a failure during which the source answers again,
// though not yet completely.
type recovering struct{ since time.Time }

func (r *recovering) Error() string { return "answering again since " + r.since.Format(time.RFC3339) }

// partial says why the first answers after an outage cannot be trusted yet, nil
// if they can.
//
// A source that comes back has scraped some targets before others, and a rate
// needs two scrapes. What it answers meanwhile is true and incomplete: the HPA
// controller counts the objects left out as being at their target, and after an
// outage longer than its stabilization window nothing keeps it from scaling in
// on that. So whatever had a value before the outage and is still live must have
// one again, or the window of the query has to pass.
func partial(prev *store.Snapshot, next *store.Data, q plan.Query) error {
	if prev == nil || prev.Data == nil || metric.ReasonOf(prev.Err) != metric.SourceFailed {
		return nil
	}
	since := next.Evaluated
	var r *recovering
	if errors.As(prev.Err, &r) {
		since = r.since
	}
	missing := missingObjects(prev.Data, next, q.Names) + missingSeries(prev.Data, next)
	if since.Sub(prev.Data.Evaluated) >= q.Window/2 && q.Window > 0 {
		missing += lower(prev.Data, next)
	}
	if missing == 0 {
		return nil
	}
	if next.Evaluated.Sub(since) > min(max(minRecovery, q.Window), maxRecovery) {
		return nil
	}
	return metric.Because(metric.SourceFailed, &recovering{since}, "the source is back, and %d of what had a value before has none, or one over too little of the query's window, yet", missing)
}

// lower counts values that have fallen. A rate whose window is not filled again is
// too low, never too high (PromQL extrapolates by one sample interval at most), so
// only a fallen value is suspicious and a risen one may scale up at once.
func lower(prev, next *store.Data) int {
	n := 0
	for name, now := range next.Objects {
		if before, ok := prev.Objects[name]; ok && now.Quantity.Cmp(before.Quantity) < 0 {
			n++
		}
	}
	before := byLabels(prev.Series)
	for key, now := range byLabels(next.Series) {
		if v, ok := before[key]; ok && now.Quantity.Cmp(v.Quantity) < 0 {
			n++
		}
	}
	return n
}

// missingObjects counts live objects that had a value and have none.
func missingObjects(prev, next *store.Data, live []string) int {
	n := 0
	for name := range prev.Objects {
		_, there := next.Objects[name]
		if _, bad := next.Bad[name]; there || bad {
			continue
		}
		if _, found := slices.BinarySearch(live, name); found {
			n++
		}
	}
	return n
}

// missingSeries counts series that were there and are not.
func missingSeries(prev, next *store.Data) int {
	n := 0
	there := byLabels(next.Series)
	for key := range byLabels(prev.Series) {
		if _, ok := there[key]; !ok {
			n++
		}
	}
	return n
}

// byLabels indexes series by their label sets, which are distinct in a vector.
func byLabels(series []store.Value) map[string]store.Value {
	index := make(map[string]store.Value, len(series))
	for _, v := range series {
		index[labels.FromMap(v.Labels).String()] = v
	}
	return index
}
