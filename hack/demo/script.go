package demo

import (
	"cmp"
	"time"

	"github.com/loadline/loadline/policy/floor"
)

// Phase is a part of the demo.
type Phase int

// The phases, in their order.
const (
	Warm Phase = iota // little load, until every HPA has a value
	Up                // much load, until every HPA has scaled to its maximum
	Hold              // the same, to look at it
	Down              // little load, until every HPA is back at its minimum
	Lost              // a metric is away and a schedule is ahead, until fallback holds
	Back              // the metric is back, until no floor is left
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
	case Lost:
		return "a metric is gone, policies raise floors"
	case Back:
		return "metric back, floors go step by step"
	}
	return "done"
}

// Rates are in requests per second.
type Rates struct{ Web, Reminders float64 }

// Raise is a floor that a policy is to hold.
type Raise struct {
	Policy string
	Owner  string // of the floor, as the policy's status names it
	Min    int32
}

// Script says which load there is when, and which floors there are to be.
type Script struct {
	Low, High          Rates
	Schedule, Fallback Raise
	After              time.Duration // for which a metric has to be away before its policy falls back
	// Limits end a phase whose goal is not reached. Hold is a time, not a limit.
	WarmLimit, UpLimit, Hold, DownLimit, LostLimit, BackLimit time.Duration
}

const (
	web    = "remindmeweb"
	worker = "remindme-worker"

	// rush is the schedule that the demo gives to web's policy.
	rush = "rush"
	// rushLasts is the least that a schedule may last.
	rushLasts = time.Minute
	// lead is for a policy to be read before its schedule begins.
	lead = 3 * time.Second
	// fallsBackAfter is the least that a fallback may wait for.
	fallsBackAfter = 30 * time.Second
	// pace is the period of Remind Me's scaleDown policies, by which HPAs scale in and
	// floors that have ended are lowered.
	pace = 15 * time.Second
)

// DefaultScript suits Remind Me's policies. 150 pages a second are 25 a pod when
// there are six, above the target of 20; six workers, each of which needs 0.2 s
// for a reminder, are a little faster than 25 reminders a second, so that the
// queue is empty again soon after the step down. Web's floor is the demo's own,
// the worker's is what its policy falls back to.
//
// The limits follow from how often the HPA controller looks (sync) and from how
// long a value must have been low before an HPA scales in (downscale), beside
// which pods need seconds to start and to end. Up takes one look, or two if the
// first saw half a step; down takes three, for the HPAs go 6 → 3 → 2 with the pace
// between, which the first look after these need not meet.
func DefaultScript(sync, downscale time.Duration) Script {
	sync, downscale = max(cmp.Or(sync, defaultSync), defaultSync), cmp.Or(downscale, defaultDownscale)
	return Script{
		Low: Rates{Web: 5, Reminders: 2}, High: Rates{Web: 150, Reminders: 25},
		Schedule: Raise{Policy: web, Owner: floor.ScheduleOwner + rush, Min: 4},
		Fallback: Raise{Policy: worker, Owner: floor.FallbackOwner, Min: 3},
		After:    fallsBackAfter,

		WarmLimit: 20*time.Second + sync, UpLimit: 30*time.Second + 2*sync, Hold: 18 * time.Second,
		DownLimit: 30*time.Second + downscale + 3*sync,
		LostLimit: lostLimit(sync), BackLimit: max(metricBack(sync, downscale), scheduleOver(sync)),
	}
}

// late is what may be added to a time for which loadline-policy waits.
func late(d time.Duration) time.Duration { return d + d/10 }

// lostLimit is how long it may take until fallback holds: Prometheus drops a target
// within 15 s and the HPA controller must have looked; it looks at a new minimum at
// once, or at its next sync where the API server counts no generations of HPAs.
func lostLimit(sync time.Duration) time.Duration {
	return 30*time.Second + 2*sync + late(fallsBackAfter)
}

// metricBack is how long it may take until the fallback's floor is gone: Prometheus
// finds the target, the HPA controller looks, the metric has to be good for a while,
// and then there is a step to wait for, and a look again.
func metricBack(sync, downscale time.Duration) time.Duration {
	return 30*time.Second + 2*sync + late(max(fallsBackAfter, downscale)) + late(pace)
}

// scheduleOver is how long it may take from where the schedule is written until its
// floor is gone: it begins within a minute, lasts another, and is left in a step.
func scheduleOver(sync time.Duration) time.Duration {
	return 15*time.Second + lead + time.Minute + late(rushLasts) + late(pace) + sync
}

// About is how long the demo takes if all goes well, in whole minutes: that of
// the start, of what does not depend on the HPAs, of a look in each of the phases
// that wait for one, of the HPAs' window, and of what fallback waits for.
func About(sync, downscale time.Duration) time.Duration {
	sync, downscale = cmp.Or(sync, defaultSync), cmp.Or(downscale, defaultDownscale)
	about := 85*time.Second + 4*sync + downscale + fallsBackAfter + max(fallsBackAfter, downscale) + pace
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
		if all(last, func(s Scaler) bool { return s.Known && s.settled(s.Policy.Min) }) || in >= s.WarmLimit {
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
		if all(last, Scaler.atRest) || in >= s.DownLimit {
			return Lost
		}
	case Lost:
		if s.Fallback.holds(last) || in >= s.LostLimit {
			return Back
		}
	case Back:
		over := last.At >= last.Schedule.End
		if over && all(last, Scaler.atRest) || in >= s.BackLimit {
			return Done
		}
	}
	return last.Phase
}

// holds tells whether the floor is there, and its replicas.
func (r Raise) holds(o Observation) bool {
	s, seen := o.scaler(r.Policy)
	return seen && r.raised(s) && s.settled(r.Min)
}

// raised tells whether the floor has reached the HPA.
func (r Raise) raised(s Scaler) bool {
	_, held := s.Policy.floor(r.Owner)
	return held && s.Min >= r.Min
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
