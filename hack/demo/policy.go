package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/loadline/loadline/policy/floor"
)

// Policy is what the AutoscalingPolicy of a scaler says of itself.
type Policy struct {
	Made       bool    // the HPA is owned by it
	Min        int32   // its own minimum, without floors
	Floors     []Floor // that are in force, and what is left of ended ones
	Conditions []Condition
}

// Floor holds a minimum up.
type Floor struct {
	Owner string // as the policy's status names it; floor.ReleaseOwner for what is left
	Value int32
	Until time.Time // zero for what is left
}

// floor returns the one of an owner; false if there is none.
func (p Policy) floor(owner string) (Floor, bool) {
	for _, f := range p.Floors {
		if f.Owner == owner {
			return f, true
		}
	}
	return Floor{}, false
}

// holder says in words who holds the minimum above the policy's own; empty if nobody
// does. Of equal floors it is the first, as in the policy's own words.
func (s Scaler) holder() string {
	if s.Min <= s.Policy.Min {
		return ""
	}
	var highest Floor
	for _, f := range s.Policy.Floors {
		if f.Value > highest.Value {
			highest = f
		}
	}
	switch name, isSchedule := strings.CutPrefix(highest.Owner, floor.ScheduleOwner); {
	case highest.Value == 0:
		return "nobody says who"
	case highest.Owner == floor.ReleaseOwner:
		return "stepping down"
	case isSchedule:
		return fmt.Sprintf("schedule %s until %s", name, highest.Until.Format("15:04"))
	}
	return highest.Owner // fallback's end is nothing that it knows ahead
}

// minimum is the minimum in force, with who holds it.
func (s Scaler) minimum() string {
	if by := s.holder(); by != "" {
		return fmt.Sprintf("min %d: %s", s.Min, by)
	}
	return fmt.Sprintf("min %d", s.Min)
}
