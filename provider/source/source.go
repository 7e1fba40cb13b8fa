// Package source is the vocabulary for what a metrics source answers: samples,
// discovered series, and the kinds of failure its users must tell apart. It does
// no I/O; provider/source/prometheus is an implementation.
package source

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Sample is one element of an instant vector. A scalar answer is one Sample
// without labels.
//
// Value is what the source said, NaN and ±Inf included: whether such a value may
// be served is for the reader to decide, and it can only do so if it sees it.
type Sample struct {
	Labels labels.Labels
	Value  float64
	// Time is the moment of evaluation by the source's clock, in milliseconds.
	// It is not the time of the scrape: PromQL stamps every element of an instant
	// vector with the evaluation time.
	Time time.Time
}

// Answer is what one query returned. No samples is a valid answer and means
// "nothing is known", never zero.
type Answer struct {
	Samples []Sample
	// Warnings are the source's own remarks, for example about partial data.
	Warnings []string
}

// Series is one series name with the union of the label names its series carry.
type Series struct {
	Name string
	// Labels are sorted, without duplicates and without __name__.
	Labels []string
}
