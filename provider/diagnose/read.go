package diagnose

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// read describes one read, in so many bytes about.
func (d *Describer) read(ctx context.Context, w want, of given, now time.Time, room int) v1alpha1.Read {
	r := v1alpha1.Read{
		MetricSelector: w.id.MetricSelector, Object: w.id.Name, ObjectSelector: w.id.Selector, Values: []v1alpha1.Value{},
		HorizontalPodAutoscalers: w.hpas[:min(len(w.hpas), maxHPAs)],
	}
	r.OmittedHorizontalPodAutoscalers = int32(len(w.hpas) - len(r.HorizontalPodAutoscalers))
	r.LastRead = timeOf(w.read)
	snap := d.Store.Get(w.id)
	asked := d.Evaluation.Asks(ctx, w.id)
	ask(&r, w.id, asked, snap)
	err := d.unserved(w.id, of, asked, snap, now)
	r.Problem = of.problem(err)
	if snap == nil {
		return r
	}
	r.Attempted = timeOf(snap.Attempted)
	if snap.Data == nil {
		return r
	}
	r.Evaluated = timeOf(snap.Data.Evaluated)
	if err != nil && metric.ReasonOf(err) != metric.Absent {
		return r // old values would look like answers
	}
	r.Failing = of.problem(snap.Err)
	r.Warnings = warnings(snap.Data, of)
	r.Values, r.OmittedValues = values(snap.Data, of, room)
	return r
}

// ask adds what is asked of the source.
func ask(r *v1alpha1.Read, id metric.Identifier, asked eval.Asked, snap *store.Snapshot) {
	r.PromQL = clip(asked.PromQL, maxPromQL)
	if id.API.OfObjects() && asked.Err == nil {
		r.Objects = ptr.To(int32(asked.Objects))
	}
	if asked.Interval > 0 {
		r.Interval = &metav1.Duration{Duration: asked.Interval}
	}
	sharing := v1alpha1.Sharing{Alone: clip(asked.Alone, maxPromQL)}
	if snap != nil && snap.Data != nil {
		sharing.OtherReads = int32(max(0, snap.Data.Reads-1))
		sharing.ToldApartBy = snap.Data.ToldApartBy
		if snap.Data.Window > 0 {
			r.Window = &metav1.Duration{Duration: snap.Data.Window}
		}
	}
	if r.PromQL != "" {
		r.Sharing = &sharing
	}
}

// unserved is why a reader gets no value; nil if there is one.
func (d *Describer) unserved(id metric.Identifier, of given, asked eval.Asked, snap *store.Snapshot, now time.Time) error {
	switch {
	case of.err != nil:
		return of.err
	case snap == nil && asked.Err != nil:
		return asked.Err
	case snap == nil:
		return metric.Errorf(metric.Pending, "it has not been evaluated yet by this replica of the adapter")
	}
	if err := snap.Unserved(now, d.MaxAge); err != nil {
		return err
	}
	data := snap.Data
	switch {
	case of.promQL != "" && data.PromQL != of.promQL:
		return metric.Errorf(metric.Pending, "the query has changed since it was evaluated; that is under way")
	case data.Any() || len(data.Bad) > 0:
		return nil
	case id.API.OfObjects() && data.PromQL == "":
		return metric.Errorf(metric.NoObject, "there was no live object to ask about at the last evaluation")
	}
	return metric.Errorf(metric.Absent, "the source was asked and has no sample for it (absence is not zero)")
}

// warnings are the source's, as far as they are about this read.
func warnings(data *store.Data, of given) []string {
	own := slices.Clone(data.Warnings)
	if of.anywhere {
		own = nil
	}
	if more := data.Remarks - len(own); more > 0 {
		own = append(own, fmt.Sprintf("%d remarks of the source are not shown, for they may be about others, or are too many", more))
	}
	return own
}

// values are those of an answer, first those with a problem, which are not to be left out, and
// then in the order of their names, and how many more there are.
func values(data *store.Data, of given, room int) (shown []v1alpha1.Value, omitted int32) {
	shown = []v1alpha1.Value{}
	add := func(v v1alpha1.Value) {
		if room -= sizeOfValue(&v); len(shown) == maxValues || room < 0 {
			omitted++
			return
		}
		shown = append(shown, v)
	}
	pods := slices.Sorted(maps.Keys(data.Containers))
	containers := func(bad bool) {
		for _, pod := range pods {
			for _, c := range data.Containers[pod] {
				if (c.Err != nil) == bad {
					add(valueOf(pod, c.Name, c.Value, c.Err))
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(data.Bad)) {
		add(valueOf(name, "", store.Value{}, data.Bad[name]))
	}
	containers(true)
	for _, name := range slices.Sorted(maps.Keys(data.Objects)) {
		if data.Bad[name] == nil {
			add(valueOf(name, "", data.Objects[name], nil))
		}
	}
	containers(false)
	for _, s := range inOrder(data.Series) {
		v := valueOf("", "", s, nil)
		if !of.anywhere {
			v.Labels = s.Labels
		}
		add(v)
	}
	return shown, omitted
}

func valueOf(object, container string, v store.Value, err error) v1alpha1.Value {
	out := v1alpha1.Value{Object: object, Container: container, Problem: problemOf(err)}
	if err == nil {
		out.Value, out.Timestamp = ptr.To(v.Quantity.DeepCopy()), timeOf(v.Time)
	}
	return out
}

// inOrder are series in the order of their labels.
func inOrder(series []store.Value) []store.Value {
	text := func(v store.Value) string { return fmt.Sprint(v.Labels) } // whose keys fmt sorts
	return slices.SortedStableFunc(slices.Values(series), func(a, b store.Value) int { return strings.Compare(text(a), text(b)) })
}

// timeOf is nil for no time.
func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return ptr.To(metav1.NewTime(t))
}
