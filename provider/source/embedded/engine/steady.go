package engine

import "time"

// jump is by how much the clock may be set at once without it being noticed: of a rate
// between two scrapes at five seconds' distance that is a tenth.
const jump = 500 * time.Millisecond

// steady notices that the clock is set. Samples from before and after have a distance in
// time that never passed, so their rate would be wrong. It is not safe for concurrent use.
type steady struct {
	now     func() time.Time
	elapsed func(now time.Time) time.Duration // without the clock's being set
	offset  time.Duration                     // of the clock to what has elapsed, when it was looked at last
}

// newSteady watches a clock. Where nothing else is given, what has elapsed is told by the
// monotonic part of its readings; without one it is never set.
func newSteady(now func() time.Time, elapsed func() time.Duration) *steady {
	began := now()
	s := &steady{now: now, elapsed: func(at time.Time) time.Duration { return at.Sub(began) }}
	if elapsed != nil {
		s.elapsed = func(time.Time) time.Duration { return elapsed() }
	}
	s.offset = s.read()
	return s
}

func (s *steady) read() time.Duration {
	at := s.now()
	return time.Duration(at.UnixNano()) - s.elapsed(at)
}

// set says by how much the clock was set since the last call, and 0 if not by much. A clock
// that is merely corrected goes on being right.
func (s *steady) set() time.Duration {
	by := s.read() - s.offset
	if by.Abs() >= jump {
		by = s.read() - s.offset // or we were held up between the two clocks
	}
	s.offset += by
	if by.Abs() < jump {
		return 0
	}
	return by
}
