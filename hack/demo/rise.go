package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Rise is what became of a floor that a policy was to hold.
type Rise struct {
	Raise
	// Mins are the HPA's minimum at first, and after each change.
	Mins []int32
	// Raised and Ready are from the floor's cause until the HPA's minimum was raised, and
	// until so many replicas, no more and no fewer, were ready; -1 if never.
	Raised, Ready time.Duration
	// Lowered and Gone are from the end of the cause until the HPA's minimum was the
	// policy's own again, and until the replicas were; -1 if never.
	Lowered, Gone time.Duration
	// Wrong says what was not as it is meant to be although the floor came and went.
	Wrong string
	// Said is what the policy's status said meanwhile, each reason once.
	Said []Condition
}

// Rises finds what became of the script's floors, in the history after the load.
func (s Script) Rises(history []Observation) []Rise {
	begin := slices.IndexFunc(history, func(o Observation) bool { return o.Phase == Lost })
	if begin < 0 {
		return nil
	}
	part := history[begin:]
	lost := Span{Begin: part[0].At, End: began(part, Back)}
	if lost.End == 0 {
		lost.End = part[len(part)-1].At + time.Nanosecond // it is not over yet
	}
	return []Rise{
		rise(part, s.Schedule, part[len(part)-1].Schedule, 0),
		rise(part, s.Fallback, lost, s.After),
	}
}

// rise follows a floor whose cause is there for a span. It may not come before that has
// been so for least.
func rise(part []Observation, of Raise, cause Span, least time.Duration) Rise {
	r := Rise{Raise: of, Raised: -1, Ready: -1, Lowered: -1, Gone: -1}
	for _, o := range part {
		s, seen := o.scaler(of.Policy)
		if !seen {
			continue
		}
		if n := len(r.Mins); n == 0 || r.Mins[n-1] != s.Min {
			r.Mins = append(r.Mins, s.Min)
		}
		r.hear(s)
		since, until := o.At-cause.Begin, o.At-cause.End
		switch {
		case r.Raised < 0 && until < 0 && of.raised(s):
			r.Raised = max(since, 0)
			switch {
			case since < 0:
				r.Wrong = fmt.Sprintf("its minimum was raised %s before the schedule began", took(-since))
			case since < least:
				r.Wrong = fmt.Sprintf("its minimum was raised %s after the cause, before %s were over", took(since), least)
			}
		case r.Raised >= 0 && until < 0 && s.Min < of.Min:
			r.Wrong = fmt.Sprintf("its minimum fell to %d while the cause was there", s.Min)
		}
		if r.Raised >= 0 && r.Ready < 0 && until < 0 && s.settled(of.Min) {
			r.Ready = max(since, 0)
		}
		if r.Raised >= 0 && r.Lowered < 0 && until >= 0 && s.Min == s.Policy.Min {
			r.Lowered = until
		}
		if r.Lowered >= 0 && r.Gone < 0 && s.atRest() {
			r.Gone = until
		}
	}
	return r
}

// hear keeps what the policy says of floors and metrics, unless all is as usual.
func (r *Rise) hear(s Scaler) {
	for _, c := range s.Policy.Conditions {
		usual := c.Type == v1alpha1.Held && !c.True || c.Type == v1alpha1.MetricsAvailable && c.True
		if c.Type != v1alpha1.Held && c.Type != v1alpha1.MetricsAvailable || usual || mentions(r.Said, c.Reason) {
			continue
		}
		r.Said = append(r.Said, c)
	}
}

// RiseTable shows what became of floors, and below it what the policies said.
func RiseTable(rises []Rise) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FLOOR\tPOLICY\tMIN\tRAISED\tALL READY\tLOWERED\tALL GONE")
	for _, r := range rises {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Owner, r.Policy, decisions(r.Mins), took(r.Raised), took(r.Ready), took(r.Lowered), took(r.Gone))
	}
	w.Flush()
	b.WriteString("\nWhat the status of the policies said:\n")
	for _, r := range rises {
		for _, c := range r.Said {
			fmt.Fprintf(&b, "  %s: %s: %s\n", r.Policy, c.Type, cut(inBrief(c.Message), 200))
		}
	}
	return b.String()
}

// VerdictOnPolicies returns nil if every HPA was its policy's all the time and every
// floor came, stayed and went; what is missing otherwise.
func (s Script) VerdictOnPolicies(history []Observation) error {
	var errs []error
	foreign := map[string]bool{}
	for _, o := range history {
		for _, scaler := range o.Scalers {
			if !scaler.Policy.Made && !foreign[scaler.Name] {
				foreign[scaler.Name] = true
				errs = append(errs, fmt.Errorf("the HPA %s was not made by its policy, whose conditions are: %s", scaler.Name, scaler.Policy.said()))
			}
		}
	}
	rises := s.Rises(history)
	if len(rises) == 0 {
		errs = append(errs, errors.New("no floor was asked for"))
	}
	for _, r := range rises {
		last, _ := history[len(history)-1].scaler(r.Policy)
		if what := r.missing(); what != "" {
			errs = append(errs, fmt.Errorf("%s, floor %s: %s; min went %s; the policy's conditions at the end: %s", r.Policy, r.Owner, what, decisions(r.Mins), last.Policy.said()))
		}
	}
	return errors.Join(errs...)
}

// missing says in words what did not happen; empty if all did.
func (r Rise) missing() string {
	switch {
	case r.Raised < 0:
		return fmt.Sprintf("the minimum was not raised to %d", r.Min)
	case r.Wrong != "":
		return r.Wrong
	case r.Ready < 0:
		return fmt.Sprintf("there were never just %d ready replicas", r.Min)
	case r.Lowered < 0:
		return "the minimum was not lowered again"
	case r.Gone < 0:
		return "the replicas did not go again"
	}
	return ""
}

func (p Policy) said() string { return inOneLine(p.Conditions) }
