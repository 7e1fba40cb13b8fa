package schedule

import (
	"math"
	"time"
)

// wall is what the clocks on the walls of a zone show, in seconds as if it were UTC.
type wall int64

const (
	hour = 60 * 60
	day  = 24 * hour
)

// spread is more than the clocks of one zone are ever moved: they go from 12 hours
// behind UTC to 14 ahead.
const spread = 2 * day

// segment is a time in which a zone has one distance from UTC.
//
// Clocks are put forward and back. What counts is when a wall time is reached for the
// first time: a segment has the wall times from first on, which no segment before it
// had. After clocks were put back, first is where they had been, or where they are for
// what counts each time. After they were put forward, it is where the gap began: all of
// the gap is reached when the segment begins.
type segment struct {
	begin, end int64 // Unix seconds, the end exclusive
	offset     int64 // of the wall from UTC
	first      wall
}

// segmentAt returns the one with t, in Unix seconds; twice is whether a wall time counts
// each time.
func segmentAt(zone *time.Location, t int64, twice bool) segment {
	s := bounds(zone, t)
	s.first = math.MinInt64
	if twice {
		if s.begin != math.MinInt64 {
			before := bounds(zone, s.begin-1)
			s.first = min(before.wall(before.end), s.wall(s.begin))
		}
		return s
	}
	for before := s; before.begin != math.MinInt64 && before.begin > s.begin-spread; {
		before = bounds(zone, before.begin-1)
		s.first = max(s.first, before.wall(before.end))
	}
	return s
}

// bounds returns the segment with t, without first.
func bounds(zone *time.Location, t int64) segment {
	at := time.Unix(t, 0).In(zone)
	_, offset := at.Zone()
	s := segment{begin: math.MinInt64, end: math.MaxInt64, offset: int64(offset)}
	begin, end := at.ZoneBounds()
	if !begin.IsZero() {
		s.begin = begin.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	return s
}

// wall is what clocks show at t.
func (s segment) wall(t int64) wall { return wall(t + s.offset) }

// reached is when clocks show w, or have passed it by being put forward.
func (s segment) reached(w wall) int64 { return max(s.begin, int64(w)-s.offset) }

// startOfDay is the midnight at or before w.
func (w wall) startOfDay() wall {
	into := w % day
	if into < 0 {
		into += day
	}
	return w - into
}
