package demo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Reaction is what one HPA made of one step of the load.
type Reaction struct {
	Scaler  string
	Step    Phase   // Up or Down
	Wanted  []int32 // replicas, at the step and after each decision that went further its way
	Goal    int32
	Saw     string        // the value and the target at the first decision; empty if unknown
	Decided time.Duration // from the step to the first decision; -1 if there was none
	Ready   time.Duration // from the step until the goal's replicas, no more and no fewer, were ready; -1 if never
	Reasons []Condition   // that the HPA's conditions took on, in their order, without what is normal
}

// From and To are the replicas wanted at the step and at last.
func (r Reaction) From() int32 { return r.Wanted[0] }
func (r Reaction) To() int32   { return r.Wanted[len(r.Wanted)-1] }

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
	next := map[Phase]Phase{Up: Down, Down: Lost}[step]
	if end := slices.IndexFunc(part, func(o Observation) bool { return o.Phase == next }); end >= 0 {
		part = part[:end]
	}
	return part
}

func react(part []Observation, step Phase, first Scaler) Reaction {
	r := Reaction{Scaler: first.Name, Step: step, Wanted: []int32{first.Desired}, Goal: first.Max, Decided: -1, Ready: -1}
	if step == Down {
		r.Goal = first.Policy.Min
	}
	before := first
	for _, o := range part {
		for _, s := range o.Scalers {
			if s.Name != first.Name {
				continue
			}
			since := o.At - part[0].At
			if step == Up && s.Desired > r.To() || step == Down && s.Desired < r.To() {
				if r.Wanted = append(r.Wanted, s.Desired); r.Decided < 0 {
					r.Decided = since
					if s.Known {
						r.Saw = s.compared()
					}
				}
			}
			// A goal that was met before the step was not reached because of it.
			if r.Ready < 0 && r.Decided >= 0 && s.settled(r.Goal) {
				r.Ready = since
			}
			r.Reasons = append(r.Reasons, newReasons(before, s, r.Reasons)...)
			before = s
		}
	}
	return r
}

// newReasons returns what the conditions took on since before, known aside.
func newReasons(before, now Scaler, known []Condition) []Condition {
	var reasons []Condition
	for _, c := range now.Conditions {
		if worthTelling(c.Reason) && c.Reason != before.condition(c.Type).Reason && !mentions(known, c.Reason) {
			reasons = append(reasons, c)
		}
	}
	return reasons
}

func mentions(list []Condition, reason string) bool {
	return slices.ContainsFunc(list, func(c Condition) bool { return c.Reason == reason })
}

// Report says how long everything took.
func (s Script) Report(w io.Writer, history []Observation) {
	fmt.Fprintf(w, "\nHow long each reaction took from the step of the load on, and what the HPA decided:\n\n%s\n", Table(Summarize(history)))
	fmt.Fprintf(w, "How long each floor took from its cause on (the start of the schedule; the metric taken away) until the minimum\n"+
		"was raised and its pods were ready, and from the end of the cause until both were gone, step by step:\n\n%s\n", RiseTable(s.Rises(history)))
	fmt.Fprintln(w, Requests(lastLoads(history)))
}

// Table shows reactions, and below them what the HPAs said meanwhile.
func Table(reactions []Reaction) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOAD\tHPA\tREPLICAS\tDECIDED\tALL READY\tTHE HPA SAW")
	for _, r := range reactions {
		step := "up"
		if r.Step == Down {
			step = "down"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", step, r.Scaler, decisions(r.Wanted), took(r.Decided), took(r.Ready), cmp.Or(r.Saw, "-"))
	}
	w.Flush()
	var said []Condition
	for _, r := range reactions {
		for _, c := range r.Reasons {
			if !mentions(said, c.Reason) {
				if said = append(said, c); len(said) == 1 {
					b.WriteString("\nReasons that the HPAs gave:\n")
				}
				fmt.Fprintf(&b, "  %s: %s\n", c.Reason, cut(essence(c.Message), 200))
			}
		}
	}
	return b.String()
}

// decisions is "6 → 3 → 2".
func decisions(wanted []int32) string {
	var parts []string
	for _, n := range wanted {
		parts = append(parts, strconv.Itoa(int(n)))
	}
	return strings.Join(parts, " → ")
}

// Requests says what became of the requests.
func Requests(loads []Load) string {
	var parts []string
	for _, l := range loads {
		text := fmt.Sprintf("%s: %d answered, %d failed, %d not sent", l.Name, l.OK, l.Failed, l.Unsent)
		if l.Failed > 0 {
			text += fmt.Sprintf(" (the last failure: %s)", cut(l.LastError, 200))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
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
		if !r.Reached() && !(low[r.Scaler] && r.From() == r.Goal) {
			low[r.Scaler] = r.Step == Up
			errs = append(errs, fmt.Errorf("%s did not come from %d to %d ready replicas, it wanted %d; its conditions at the end: %s", r.Scaler, r.From(), r.Goal, r.To(), last[r.Scaler].conditions()))
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

func (s Scaler) conditions() string { return inOneLine(s.Conditions) }

func inOneLine(conditions []Condition) string {
	var parts []string
	for _, c := range conditions {
		parts = append(parts, fmt.Sprintf("%s=%t %s: %s", c.Type, c.True, c.Reason, c.Message))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
