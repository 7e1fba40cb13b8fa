package store

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/metric"
)

// Value is one value as the metrics APIs serve it.
type Value struct {
	Quantity resource.Quantity
	// Time is the evaluation time that the source stamped on the sample.
	Time time.Time
	// Labels of the sample, for external metrics only.
	Labels map[string]string
}

// Container is what a container uses of a resource.
type Container struct {
	Name string
	Value
	// Err is why the source's answer has no usable value for it; nil if it has.
	Err error
}

// Data is what one successful evaluation gave. A successful evaluation may hold
// nothing: then the source was asked and has no sample.
type Data struct {
	// Evaluated is our own clock just before the source was asked, so that the
	// age of a value never looks younger than it is.
	Evaluated time.Time
	// Objects: value by the name of the described object (custom metrics).
	Objects map[string]Value
	// Containers of the described pods (resource metrics), by the pod's name.
	Containers map[string][]Container
	// Bad: why the source's answer has no usable value for an object.
	Bad map[string]error
	// Series: one value a series (external metrics).
	Series []Value
	// Window of the query's range selectors; 0 where the query has none or
	// where it cannot be told.
	Window time.Duration
	// Source is the name of the one that was asked; empty for the one that has none.
	Source string
	// PromQL that was sent. Of one that names objects, the end is cut off if it is long.
	PromQL string
	// Reads is for how many metrics that evaluation was, this one included; 0 where nothing
	// was asked. ToldApartBy are the labels by which they find their own in the answer, where
	// that is common to reads that differ.
	Reads       int
	ToldApartBy []string
	// Remarks is how many warnings the source added to the answer, and Warnings are the first
	// of them, cut off. Of an answer to reads that differ there are none, for they can be about
	// others.
	Remarks  int
	Warnings []string
}

// size is what d counts for in Limits. An unusable value takes as much memory as a
// usable one.
func (d *Data) size() int {
	n := len(d.Objects) + len(d.Bad) + len(d.Series)
	for _, containers := range d.Containers {
		n += len(containers)
	}
	return n
}

// Any says whether d has a value.
func (d *Data) Any() bool { return len(d.Objects)+len(d.Containers)+len(d.Series) > 0 }

// Snapshot is the state of one metric: the newest data, and how the newest
// attempt ended. Both can be there: a source that went away leaves the last
// data, which is served up to its bound.
type Snapshot struct {
	Data *Data // nil until an attempt succeeded, and after an error that is not bridged
	// Err of the newest attempt; nil if it succeeded.
	Err error
	// Attempted is when the newest attempt began.
	Attempted time.Time
}

// Unserved is why what s holds is not served at now, where data may be maxAge old; nil if it
// is. It is an *metric.Error.
func (s *Snapshot) Unserved(now time.Time, maxAge time.Duration) error {
	if s.Err != nil && (s.Data == nil || !Bridged(s.Err)) {
		return s.Err
	}
	if age := now.Sub(s.Data.Evaluated); age > maxAge {
		err := metric.Errorf(metric.Stale, "the newest value is %s old, more than --value-max-age=%s", age.Round(time.Second), maxAge)
		err.Err = s.Err
		return err
	}
	return nil
}

// Bridged says whether an earlier value stands in where an attempt ended with err:
// nothing was learnt about the value. Anything else that the attempt found, such as
// a value that is no number, is newer than what was there.
func Bridged(err error) bool {
	reason := metric.ReasonOf(err)
	return reason == metric.SourceFailed || reason == metric.ObjectsUnknown
}
