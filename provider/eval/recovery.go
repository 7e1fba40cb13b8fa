package eval

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/store"
)

// Bounds of how long an answer after an outage may be held back.
const (
	// minRecovery is where something is missing: a source that starts anew has to
	// find its targets before it scrapes them.
	minRecovery = 30 * time.Second
	maxRecovery = 2 * time.Minute
)

// defaultLookback is what a source takes for --sample-max-age where it is not told
// (https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness).
const defaultLookback = 5 * time.Minute

// recovering is the cause of a failure during which the source answers again,
// though not yet completely.
type recovering struct {
	since time.Time
	// lost: in an answer since then something was missing.
	lost bool
}

func (r *recovering) Error() string { return "answering again since " + r.since.Format(time.RFC3339) }

// doubt is about an answer after an outage. A nil one has no doubts.
//
// A source that comes back has scraped some targets before others, and a rate
// needs two scrapes. What it answers meanwhile is true and incomplete: the HPA
// controller counts the objects left out as being at their target, and after an
// outage longer than its stabilization window nothing keeps it from scaling in
// on that. So whatever had a value before the outage and is still live must have
// one again, or the time in which a target is scraped has to pass: the window of
// the query and, for instant selectors, two fifths of sampleMaxAge, which is sized as
// two and a half scrapes.
//
// A value that sums over several targets, or whose window is not filled again, is
// there and too low. That shows in its having fallen, and a load that fell looks alike.
// The source can tell the two apart, by how many samples it has: see coverage.
type doubt struct {
	recovering
	missing, fallen int
	// ago is since the last answer before the outage.
	ago time.Duration
	// outlived: the outage was so long that what a source did not see of it shows.
	outlived bool
	hold     time.Duration
	now      time.Time
}

// doubtOf compares an answer with the last one before the outage, if there was one.
func doubtOf(prev *store.Snapshot, next *store.Data, q *plan.Part, sampleMaxAge time.Duration) *doubt {
	if prev == nil || prev.Data == nil || metric.ReasonOf(prev.Err) != metric.SourceFailed {
		return nil
	}
	window, lookback := horizons(q, sampleMaxAge)
	d := &doubt{
		recovering: recovering{since: next.Evaluated},
		missing:    missingObjects(prev.Data, next, q.Names) + missingContainers(prev.Data, next, q.Names) + missingSeries(prev.Data, next),
		fallen:     lower(prev.Data, next),
		ago:        next.Evaluated.Sub(prev.Data.Evaluated),
		hold:       max(window, lookback*2/5),
		now:        next.Evaluated,
	}
	var before *recovering
	if errors.As(prev.Err, &before) {
		d.recovering = *before
	}
	d.lost = d.lost || d.missing > 0
	away := d.since.Sub(prev.Data.Evaluated)
	d.outlived = window > 0 && away >= window/2 || lookback > 0 && away >= lookback
	return d
}

// depends says whether the source's coverage decides.
func (d *doubt) depends() bool {
	return d != nil && d.missing == 0 && d.fallen > 0 && !d.over(true)
}

// over says whether what was held back is served now in any case.
func (d *doubt) over(lost bool) bool {
	hold := d.hold
	if lost {
		hold = max(hold, minRecovery)
	}
	return d.now.Sub(d.since) > min(hold, maxRecovery)
}

// verdict is why the answer cannot be trusted yet, nil if it can.
//
// What fell is believed where the source has the samples for it. If it lost some, or
// does not say, then not as long as that can show: after half the window of a rate,
// after sampleMaxAge for what instant selectors see, and after any outage in which it
// lost what it had before. In any case that ends with the hold.
//
// What this cannot see is a replica's first answer ever, and a target that is scraped
// less often than sampleMaxAge allows for.
func (d *doubt) verdict(c coverage) error {
	if d == nil {
		return nil
	}
	wrong, lost := d.missing, d.lost || c == forgotten
	if c != covered && (lost || d.outlived) {
		wrong += d.fallen
	}
	if wrong == 0 || d.over(lost) {
		return nil
	}
	cause := &recovering{since: d.since, lost: lost}
	return metric.Because(metric.SourceFailed, cause, "the source is back, and %d of what had a value before has none, or one that may lack a part, yet", wrong)
}

// horizons are how far q looks back: its range selectors, and its instant selectors
// given --sample-max-age; 0 where it has none of them.
func horizons(q *plan.Part, sampleMaxAge time.Duration) (window, lookback time.Duration) {
	window = q.Window
	if q.Range && window == 0 { // of a length that the query computes
		window = maxRecovery
	}
	if q.Instant {
		lookback = cmp.Or(sampleMaxAge, defaultLookback)
	}
	return window, lookback
}

// lower counts values that have fallen. A rate whose window is not filled again is
// too low, never too high (PromQL extrapolates by one sample interval at most), and
// so is a sum over part of the targets. So only a fallen value is suspicious, and a
// risen one may scale up at once. Of objects it is their sum that counts, as the HPA
// controller takes their average: one pod that fell must not hold back the many
// that rose. So it is of containers.
func lower(prev, next *store.Data) int {
	n := 0
	var was, is resource.Quantity
	for name, now := range next.Objects {
		if before, ok := prev.Objects[name]; ok {
			was.Add(before.Quantity)
			is.Add(now.Quantity)
		}
	}
	for pod, containers := range next.Containers {
		for _, now := range containers {
			if before := container(prev, pod, now.Name); before != nil && before.Err == nil && now.Err == nil {
				was.Add(before.Quantity)
				is.Add(now.Quantity)
			}
		}
	}
	if is.Cmp(was) < 0 {
		n++
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

// missingContainers counts containers of live pods that had a value and have none. One that
// has ended meanwhile is among them, and holds up the rest no longer than the hold.
func missingContainers(prev, next *store.Data, live []string) int {
	n := 0
	for pod, containers := range prev.Containers {
		if _, found := slices.BinarySearch(live, pod); !found {
			continue
		}
		for _, c := range containers {
			if c.Err == nil && container(next, pod, c.Name) == nil {
				n++
			}
		}
	}
	return n
}

// container finds one of a pod; nil if it is not there.
func container(d *store.Data, pod, name string) *store.Container {
	all := d.Containers[pod]
	if i := slices.IndexFunc(all, func(c store.Container) bool { return c.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
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
