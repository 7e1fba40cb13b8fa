package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Reaction is what one HPA made of one step of the load.
type Reaction struct {
	Scaler   string
	Step     Phase // Up or Down
	From, To int32 // replicas wanted at the step, and the most (Up) or fewest (Down) after it
	Goal     int32
	Decided  time.Duration // from the step to the first change in its direction; -1 if there was none
	Ready    time.Duration // from the step until the goal's replicas, no more and no fewer, were ready; -1 if never
	Reasons  []string      // that the HPA's conditions took on, in their order, without what is normal
}

// Reached tells whether the step had the outcome that it was to have.
func (r Reaction) Reached() bool { return r.Ready >= 0 }

// Summarize finds the reactions to both steps. A step that was never taken has
// no reactions.
func Summarize(history []Observation) []Reaction {
	var reactions []Reaction
	for _, step := range []Phase{Up, Down} {
		part := after(history, step)
		if len(part) == 0 {
			continue
		}
		for _, s := range part[0].Scalers {
			reactions = append(reactions, react(part, step, s))
		}
	}
	return reactions
}

// after returns the observations from a step up to the next.
func after(history []Observation, step Phase) []Observation {
	begin := slices.IndexFunc(history, func(o Observation) bool { return o.Phase == step })
	if begin < 0 {
		return nil
	}
	part := history[begin:]
	if step == Up {
		if end := slices.IndexFunc(part, func(o Observation) bool { return o.Phase == Down }); end >= 0 {
			part = part[:end]
		}
	}
	return part
}

func react(part []Observation, step Phase, first Scaler) Reaction {
	r := Reaction{Scaler: first.Name, Step: step, From: first.Desired, To: first.Desired, Goal: first.Max, Decided: -1, Ready: -1}
	if step == Down {
		r.Goal = first.Min
	}
	// A goal that was met before the step was not reached because of it.
	before, moved := first, false
	for _, o := range part {
		for _, s := range o.Scalers {
			if s.Name != first.Name {
				continue
			}
			since := o.At - part[0].At
			if step == Up && s.Desired > r.To || step == Down && s.Desired < r.To {
				r.To, moved = s.Desired, true
				if r.Decided < 0 {
					r.Decided = since
				}
			}
			if r.Ready < 0 && moved && s.settled(r.Goal) {
				r.Ready = since
			}
			r.Reasons = append(r.Reasons, newReasons(before, s, r.Reasons)...)
			before = s
		}
	}
	return r
}

// newReasons returns what the conditions took on since before, known aside.
func newReasons(before, now Scaler, known []string) []string {
	var reasons []string
	for _, c := range now.Conditions {
		special := worthTelling(c.Reason) || c.Reason == "SucceededRescale"
		if special && c.Reason != before.condition(c.Type).Reason && !slices.Contains(known, c.Reason) {
			reasons = append(reasons, c.Reason)
		}
	}
	return reasons
}

// Table shows reactions.
func Table(reactions []Reaction) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOAD\tHPA\tREPLICAS\tDECIDED AFTER\tALL READY AFTER\tTHE HPA'S REASONS")
	for _, r := range reactions {
		step := "up"
		if r.Step == Down {
			step = "down"
		}
		fmt.Fprintf(w, "%s\t%s\t%d to %d\t%s\t%s\t%s\n", step, r.Scaler, r.From, r.To, took(r.Decided), took(r.Ready), strings.Join(r.Reasons, ", "))
	}
	w.Flush()
	return b.String()
}

func took(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Verdict returns nil if every HPA scaled up to its maximum and down to its
// minimum, and what is missing otherwise.
func Verdict(history []Observation) error {
	reactions := Summarize(history)
	var errs []error
	for _, step := range []Phase{Up, Down} {
		if !slices.ContainsFunc(reactions, func(r Reaction) bool { return r.Step == step }) {
			errs = append(errs, fmt.Errorf("no HPA was seen when the load went %s", map[Phase]string{Up: "up", Down: "down"}[step]))
		}
	}
	last := map[string]Scaler{}
	if len(history) > 0 {
		for _, s := range history[len(history)-1].Scalers {
			last[s.Name] = s
		}
	}
	low := map[string]bool{} // did not go up, so cannot come down: one error is enough
	for _, r := range reactions {
		if !r.Reached() && !(low[r.Scaler] && r.From == r.Goal) {
			low[r.Scaler] = r.Step == Up
			errs = append(errs, fmt.Errorf("%s did not come from %d to %d ready replicas, it wanted %d; its conditions at the end: %s", r.Scaler, r.From, r.Goal, r.To, last[r.Scaler].conditions()))
		}
	}
	for _, l := range lastLoads(history) {
		if l.OK == 0 {
			errs = append(errs, fmt.Errorf("%s: no request was answered; %d failed, %d were not sent; the last error: %s", l.Name, l.Failed, l.Unsent, l.LastError))
		}
	}
	return errors.Join(errs...)
}

func lastLoads(history []Observation) []Load {
	if len(history) == 0 {
		return nil
	}
	return history[len(history)-1].Loads
}

func (s Scaler) conditions() string {
	var parts []string
	for _, c := range s.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%t %s: %s", c.Type, c.True, c.Reason, c.Message))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
