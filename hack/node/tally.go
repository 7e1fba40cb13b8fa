package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// schedule is a probe's timing with the defaults of the API filled in.
type schedule struct {
	Delay, Period, Timeout time.Duration
	Success, Failure       int
}

func scheduleOf(p *corev1.Probe) schedule {
	seconds := func(n int32, unset time.Duration) time.Duration {
		if n <= 0 {
			return unset
		}
		return time.Duration(n) * time.Second
	}
	s := schedule{
		Delay:   seconds(p.InitialDelaySeconds, 0),
		Period:  seconds(p.PeriodSeconds, 10*time.Second),
		Timeout: seconds(p.TimeoutSeconds, time.Second),
		Success: max(int(p.SuccessThreshold), 1),
		Failure: 3,
	}
	if p.FailureThreshold > 0 {
		s.Failure = int(p.FailureThreshold)
	}
	return s
}

// verdict is what a row of probe results says.
type verdict int

const (
	undecided verdict = iota
	healthy
	unhealthy
)

// tally counts results in a row until a threshold is reached.
type tally struct {
	schedule schedule
	last     bool
	run      int
}

// observe adds one result. It answers undecided while the row is too short,
// which leaves the state as it was.
func (t *tally) observe(ok bool) verdict {
	if ok != t.last {
		t.last, t.run = ok, 0
	}
	t.run++
	switch {
	case ok && t.run >= t.schedule.Success:
		return healthy
	case !ok && t.run >= t.schedule.Failure:
		return unhealthy
	}
	return undecided
}
