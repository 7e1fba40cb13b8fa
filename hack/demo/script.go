package demo

import (
	"cmp"
	"time"
)

// Phase is a part of the demo.
type Phase int

// The phases, in their order.
const (
	Warm Phase = iota // little load, until every HPA has a value
	Up                // much load, until every HPA has scaled to its maximum
	Hold              // the same, to look at it
	Down              // little load, until every HPA is back at its minimum
	Done
)

// String says it in words.
func (p Phase) String() string {
	switch p {
	case Warm:
		return "little load, waiting for the first values"
	case Up:
		return "much load, the HPAs scale up"
	case Hold:
		return "much load, as it is with all replicas"
	case Down:
		return "little load, the HPAs scale down"
	}
	return "done"
}

// Rates are in requests per second.
type Rates struct{ Web, Reminders float64 }

// Script says which load there is when.
type Script struct {
	Low, High Rates
	// Limits end a phase whose goal is not reached. Hold is a time, not a limit.
	WarmLimit, UpLimit, Hold, DownLimit time.Duration
}

// DefaultScript suits Remind Me's HPAs. 150 pages a second are 25 a pod when
// there are six, above the target of 20; six workers, each of which needs 0.2 s
// for a reminder, are a little faster than 25 reminders a second, so that the
// queue is empty again soon after the step down.
//
// The limits follow from how often the HPA controller looks (sync) and from how
// long a value must have been low before an HPA scales in (downscale), beside
// which pods need seconds to start and to end. Up takes one look, or two if the
// first saw half a step; down takes three, for the HPAs go 6 → 3 → 2 with 15 s
// between, which the first look after these need not meet.
func DefaultScript(sync, downscale time.Duration) Script {
	sync, downscale = max(cmp.Or(sync, defaultSync), defaultSync), cmp.Or(downscale, defaultDownscale)
	return Script{
		Low: Rates{Web: 5, Reminders: 2}, High: Rates{Web: 150, Reminders: 25},
		WarmLimit: 20*time.Second + sync, UpLimit: 30*time.Second + 2*sync, Hold: 18 * time.Second,
		DownLimit: 30*time.Second + downscale + 3*sync,
	}
}

// About is how long the demo takes if all goes well, in whole minutes: that of
// the start, of what does not depend on the HPAs, of a look in each of the three
// phases that wait for one, and of their window.
func About(sync, downscale time.Duration) time.Duration {
	about := 90*time.Second + 3*cmp.Or(sync, defaultSync) + cmp.Or(downscale, defaultDownscale)
	return (about + time.Minute - 1).Truncate(time.Minute)
}

// Rates returns the load of a phase.
func (s Script) Rates(p Phase) Rates {
	if p == Up || p == Hold {
		return s.High
	}
	return s.Low
}

// Next returns the phase that follows the last observation; often the same.
func (s Script) Next(history []Observation) Phase {
	if len(history) == 0 {
		return Warm
	}
	last := history[len(history)-1]
	in := last.At - began(history, last.Phase)
	switch last.Phase {
	case Warm:
		if all(last, func(s Scaler) bool { return s.Known && s.settled(s.Min) }) || in >= s.WarmLimit {
			return Up
		}
	case Up:
		if all(last, func(s Scaler) bool { return s.settled(s.Max) }) || in >= s.UpLimit {
			return Hold
		}
	case Hold:
		if in >= s.Hold {
			return Down
		}
	case Down:
		if all(last, func(s Scaler) bool { return s.settled(s.Min) }) || in >= s.DownLimit {
			return Done
		}
	}
	return last.Phase
}

// began returns when a phase was first observed.
func began(history []Observation, p Phase) time.Duration {
	for _, o := range history {
		if o.Phase == p {
			return o.At
		}
	}
	return 0
}

func all(o Observation, is func(Scaler) bool) bool {
	for _, s := range o.Scalers {
		if !is(s) {
			return false
		}
	}
	return len(o.Scalers) > 0
}
