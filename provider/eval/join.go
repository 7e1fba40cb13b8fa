package eval

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// errUnsure leaves open whether nothing means something for a read, as the rule says: an answer
// to several has a warning, which may be about the others.
var errUnsure = errors.New("there is nothing for it in an answer to several reads with a warning")

// join turns an answer into what the store keeps, part by part. evaluated is our clock
// just before the source was asked. An error is of the part's own elements.
//
// A value that cannot be served spoils its own object for custom metrics. An
// external metric is the sum of its series, so one bad series spoils it all.
func join(a source.Answer, q plan.Query, evaluated time.Time) (data []*store.Data, errs []error) {
	data, errs = make([]*store.Data, len(q.Parts)), make([]error, len(q.Parts))
	own := share(a, q)
	var apart []string // one for all
	if q.Shared() {
		apart = q.Labels()
	}
	for i, p := range q.Parts {
		samples, err := filled(own(&p), q, p, a.Warnings, evaluated)
		if err != nil {
			errs[i] = err
			continue
		}
		if data[i], errs[i] = joinPart(samples, q, p, evaluated); data[i] != nil {
			tell(data[i], q, apart, a.Warnings)
		}
	}
	return data, errs
}

// The warnings that are kept of an answer.
const (
	maxWarnings = 3
	maxWarning  = 300 // bytes
)

// tell adds to data how it came to be, for people.
func tell(d *store.Data, q plan.Query, apart, warnings []string) {
	d.Reads, d.Remarks, d.ToldApartBy = len(q.For), len(warnings), apart
	if q.Shared() { // warnings can be about others, which may be another tenant's
		return
	}
	for _, w := range warnings[:min(len(warnings), maxWarnings)] {
		d.Warnings = append(d.Warnings, strings.ToValidUTF8(clip(w, maxWarning), ""))
	}
}

// share returns what gives each part its elements of the answer, without those of objects
// that others asked about, or of none, and without the labels that are there because the
// query is shared.
func share(a source.Answer, q plan.Query) func(*plan.Part) []source.Sample {
	if !q.Shared() {
		return func(*plan.Part) []source.Sample { return a.Samples }
	}
	byKey := map[string][]source.Sample{}
	added := q.Added()
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, s := range a.Samples {
		key := q.Key(s.Labels.Get)
		if q.ObjectLabel == "" { // of an object there is only its name to keep
			b.Reset(s.Labels)
			s.Labels = b.Del(added...).Labels()
		}
		byKey[key] = append(byKey[key], s)
	}
	return func(p *plan.Part) []source.Sample {
		all := byKey[q.PartKey(p)]
		if p.ObjectLabel == "" {
			return all
		}
		mine := make([]source.Sample, 0, min(len(all), len(p.Names)))
		for _, s := range all {
			if _, found := slices.BinarySearch(p.Names, s.Labels.Get(p.ObjectLabel)); found {
				mine = append(mine, s)
			}
		}
		return mine
	}
}

// filled puts the element in the place of none that a rule says none means. A part of a
// source that was not there may have had some, and then none means nothing: it is errUnsure
// where the warning may be about other reads.
func filled(samples []source.Sample, q plan.Query, p plan.Part, warnings []string, evaluated time.Time) ([]source.Sample, error) {
	switch {
	case len(samples) > 0 || p.Empty == nil:
		return samples, nil
	case len(warnings) > 0 && q.Shared():
		return nil, metric.Because(metric.SourceFailed, errUnsure, "%s: it is asked by itself in the next evaluation", q.Rule)
	case len(warnings) > 0:
		return samples, nil
	}
	return []source.Sample{{Value: *p.Empty, Time: evaluated}}, nil
}

func joinPart(samples []source.Sample, q plan.Query, p plan.Part, evaluated time.Time) (*store.Data, error) {
	// A query may name thousands of objects, and more of it than that fits into no message.
	d := &store.Data{Evaluated: evaluated, Window: q.Window, PromQL: clip(p.PromQL, 1000)}
	err := tooMany(samples, q)
	if err != nil {
		return nil, err
	}
	switch {
	case p.For[0].API == metric.External:
		d.PromQL = p.PromQL
		d.Series, err = joinSeries(samples)
	case p.ContainerLabel != "":
		d.Containers, err = joinContainers(samples, p.Query, p.Names)
	default:
		d.Objects, d.Bad, err = joinObjects(samples, p.ObjectLabel, p.Names)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// together is what two pieces of one query give, which are about different objects; nil
// where one of them gives an error.
func together(a, b *store.Data) *store.Data {
	if a == nil || b == nil {
		return nil
	}
	maps.Copy(a.Objects, b.Objects)
	maps.Copy(a.Bad, b.Bad)
	maps.Copy(a.Containers, b.Containers)
	a.Remarks += b.Remarks
	a.Warnings = append(a.Warnings, b.Warnings[:min(len(b.Warnings), maxWarnings-len(a.Warnings))]...)
	return a
}

func joinSeries(samples []source.Sample) ([]store.Value, error) {
	values := make([]store.Value, 0, len(samples))
	for _, s := range samples {
		q, err := metric.Quantity(s.Value)
		if err != nil {
			bad := metric.Because(metric.ReasonOf(err), err, "series %s", s.Labels)
			bad.Quotes = true
			return nil, bad
		}
		values = append(values, store.Value{Quantity: q, Time: s.Time, Labels: s.Labels.Map()})
	}
	return values, nil
}

func joinObjects(samples []source.Sample, label string, names []string) (map[string]store.Value, map[string]error, error) {
	objects := make(map[string]store.Value, min(len(samples), len(names)))
	from := make(map[string]labels.Labels, min(len(samples), len(names)))
	bad := map[string]error{}
	for _, s := range samples {
		name := s.Labels.Get(label)
		if name == "" {
			return nil, nil, unlabelled(s.Labels, label)
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

func unlabelled(sample labels.Labels, label string) error {
	return metric.Errorf(metric.Unlabelled, "the answer has a sample %s without the label %q, so it describes no object: keep the label, for example by aggregating with `by (<<.GroupBy>>)`", sample, label)
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
