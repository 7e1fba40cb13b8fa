package eval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// join turns an answer into what the store keeps. evaluated is our clock just
// before the source was asked.
//
// A value that cannot be served spoils its own object for custom metrics. An
// external metric is the sum of its series, so one bad series spoils it all.
func join(a source.Answer, q plan.Query, api metric.API, evaluated time.Time) (*store.Data, error) {
	d := &store.Data{Evaluated: evaluated, Window: q.Window, PromQL: q.PromQL}
	err := tooMany(a, q)
	if err != nil {
		return nil, err
	}
	if api == metric.External {
		d.Series, err = joinSeries(a)
	} else {
		// A query names every object, and more of it than that fits into no message.
		d.PromQL = clip(q.PromQL, 1000)
		d.Objects, d.Bad, err = joinObjects(a, q.ObjectLabel, q.Names)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func joinSeries(a source.Answer) ([]store.Value, error) {
	values := make([]store.Value, 0, len(a.Samples))
	for _, s := range a.Samples {
		q, err := metric.Quantity(s.Value)
		if err != nil {
			return nil, metric.Because(metric.ReasonOf(err), err, "series %s", s.Labels)
		}
		values = append(values, store.Value{Quantity: q, Time: s.Time, Labels: s.Labels.Map()})
	}
	return values, nil
}

func joinObjects(a source.Answer, label string, names []string) (map[string]store.Value, map[string]error, error) {
	objects := make(map[string]store.Value, len(a.Samples))
	from := make(map[string]labels.Labels, len(a.Samples))
	bad := map[string]error{}
	for _, s := range a.Samples {
		name := s.Labels.Get(label)
		if name == "" {
			return nil, nil, metric.Errorf(metric.Unlabelled, "the answer has a sample %s without the label %q, so it describes no object: keep the label, for example by aggregating with `by (<<.GroupBy>>)`", s.Labels, label)
		}
		name = own(name, names)
		if first, again := from[name]; again {
			bad[name] = duplicate(first, s.Labels)
			delete(objects, name)
			continue
		}
		from[name] = s.Labels
		q, err := metric.Quantity(s.Value)
		if err != nil {
			bad[name] = err
			continue
		}
		objects[name] = store.Value{Quantity: q, Time: s.Time}
	}
	return objects, bad, nil
}

// own is name in a string of its own, which is that of names where it is among
// them: as a part of a sample's labels it would keep all of these in memory.
func own(name string, names []string) string {
	if i, found := slices.BinarySearch(names, name); found {
		return names[i]
	}
	return strings.Clone(name)
}

// duplicate names the labels in which two samples of one object differ.
func duplicate(a, b labels.Labels) error {
	var differ []string
	note := func(l labels.Label) {
		if a.Get(l.Name) != b.Get(l.Name) && !slices.Contains(differ, l.Name) {
			differ = append(differ, l.Name)
		}
	}
	a.Range(note)
	b.Range(note)
	slices.Sort(differ)
	return metric.Errorf(metric.Duplicate, "several samples for one object, which differ in %s: aggregate over it, for example `sum(…) by (<<.GroupBy>>)`", orNothing(differ))
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "no label"
	}
	return fmt.Sprintf("label %s", strings.Join(names, ", "))
}
