package demo

import (
	"time"
)

// Observation is what was seen at one moment.
type Observation struct {
	At       time.Duration // since the first observation
	Clock    time.Time     // by which schedules begin and end
	Phase    Phase
	Schedule Span // for which a policy was asked to hold a floor; zero before it was
	Loads    []Load
	Scalers  []Scaler
}

// Span is a time in the terms of Observation.At.
type Span struct{ Begin, End time.Duration }

// Load is what one load driver has done so far.
type Load struct {
	Name      string
	Asked     float64 // requests per second
	OK        uint64  // answered well since the start
	Failed    uint64  // not answered well since the start
	LastError string  // of the last that failed
	Unsent    uint64  // since the start: there was no pod, or too many were waiting for their answers
}

// Scaler is a HorizontalPodAutoscaler's status, its target's own, and its policy's.
type Scaler struct {
	Name   string
	Policy Policy
	Metric string
	Unit   string  // of Value and Target, in words
	Known  bool    // whether there is a Value
	Value  float64 // that the HPA saw at its last sync
	Target float64

	// Min, Max and Desired are replicas, by the HPA. Floors are in this Min.
	Min, Max, Desired int32
	// Replicas and Ready are by the target. The HPA's status has a number of
	// replicas, too, but as old as its last sync.
	Replicas, Ready int32
	Conditions      []Condition
}

// Condition is a condition of a HorizontalPodAutoscaler or of a policy.
type Condition struct {
	Type    string
	True    bool
	Reason  string
	Message string
}

func (s Scaler) condition(typ string) Condition { return conditionOf(s.Conditions, typ) }

func conditionOf(all []Condition, typ string) Condition {
	for _, c := range all {
		if c.Type == typ {
			return c
		}
	}
	return Condition{}
}

// settled tells whether the target has n replicas, all ready, and is to keep them.
func (s Scaler) settled(n int32) bool {
	return s.Replicas == n && s.Desired == n && s.Ready == n
}

// atRest tells whether no floor is left, nor a replica that the policy's own minimum
// does not ask for.
func (s Scaler) atRest() bool { return s.Min == s.Policy.Min && s.settled(s.Policy.Min) }

// scaler returns the one of a name; false if it was not seen.
func (o Observation) scaler(name string) (Scaler, bool) {
	for _, s := range o.Scalers {
		if s.Name == name {
			return s, true
		}
	}
	return Scaler{}, false
}

// rateWindow is the time over which a load's rate is taken. Shorter, single
// requests would show.
const rateWindow = 2 * time.Second

// rate returns the good answers per second of load i at the moment of
// history[at]; false while there is nothing to take a difference of.
func rate(history []Observation, at, i int) (perSecond float64, ok bool) {
	end := history[at]
	for begin := at - 1; begin >= 0; begin-- {
		if span := end.At - history[begin].At; span >= rateWindow {
			return float64(end.Loads[i].OK-history[begin].Loads[i].OK) / span.Seconds(), true
		}
	}
	return 0, false
}
