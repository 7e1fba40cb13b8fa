package demo

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// active is the type of the condition by which an HPA says whether it reads its metrics.
const active = "ScalingActive"

// Event is something that happened, in words.
type Event struct {
	At   time.Duration
	Text string
}

// Tell returns what happened from one observation to the next.
func (s Script) Tell(before, now Observation) []Event {
	var events []Event
	say := func(format string, args ...any) {
		events = append(events, Event{now.At, fmt.Sprintf(format, args...)})
	}
	if before.Phase != now.Phase {
		for _, text := range s.announce(now) {
			say("%s", text)
		}
	}
	for i, l := range now.Loads {
		if i >= len(before.Loads) {
			continue
		}
		if n := l.Failed - before.Loads[i].Failed; n > 0 {
			say("%s: requests that failed: %d, the last one: %s", l.Name, n, l.LastError)
		}
		if n := l.Unsent - before.Loads[i].Unsent; n > 0 {
			say("%s: requests not sent, for want of a pod or of answers to earlier ones: %d", l.Name, n)
		}
	}
	for _, scaler := range now.Scalers {
		for _, old := range before.Scalers {
			if old.Name == scaler.Name {
				tellScaler(old, scaler, say)
			}
		}
	}
	return events
}

func (s Script) announce(now Observation) []string {
	r := s.Rates(now.Phase)
	load := fmt.Sprintf("%s pages and %s reminders a second", number(r.Web), number(r.Reminders))
	switch now.Phase {
	case Warm:
		return []string{"A little load, until every HPA has a value: " + load}
	case Up:
		return []string{"THE LOAD GOES UP: " + load}
	case Hold:
		return []string{"The load stays for a moment"}
	case Down:
		return []string{"THE LOAD GOES DOWN: " + load}
	case Lost:
		begins := now.Clock.UTC().Add(now.Schedule.Begin - now.At).Round(time.Second)
		return []string{
			"A METRIC GOES AWAY: the queue is scraped no more",
			fmt.Sprintf("%s is to fall back to %d replicas after %s", s.Fallback.Policy, s.Fallback.Min, s.After),
			fmt.Sprintf("%s gets a schedule: at least %d from %s UTC on, for %s", s.Schedule.Policy, s.Schedule.Min, begins.Format("15:04"), rushLasts),
		}
	case Back:
		return []string{"THE METRIC IS BACK: floors end, minimum and pods go down in steps"}
	}
	return []string{"The end"}
}

func tellScaler(old, now Scaler, say func(string, ...any)) {
	// A look that only moves the size into its bounds reads no metric, and says nothing
	// about it either.
	lost := !now.Known && old.Known && !now.condition(active).True
	switch {
	case now.Known && !old.Known && !old.condition(active).True:
		say("%s has a value: %s", now.Name, now.against())
	case lost:
		say("%s has no value: %s", now.Name, essence(now.condition(active).Message))
	}
	tellPolicy(old, now, say)
	if now.Desired != old.Desired {
		because := ""
		if now.Known {
			because = ": " + now.against()
		}
		say("%s wants %d replicas, not %d%s", now.Name, now.Desired, old.Desired, because)
	}
	if now.Ready != old.Ready || now.Replicas != old.Replicas {
		if now.settled(now.Desired) {
			say("%s: all %d replicas are ready", now.Name, now.Ready)
		} else {
			say("%s: %d of %d replicas ready, %d wanted", now.Name, now.Ready, now.Replicas, now.Desired)
		}
	}
	for _, c := range now.Conditions {
		if lost && c.Type == active {
			continue // said already
		}
		if was := old.condition(c.Type); was.Reason != c.Reason && worthTelling(c.Reason) {
			say("%s: %s: %s", now.Name, c.Reason, essence(c.Message))
		}
	}
}

// tellPolicy tells of the minimum, and of what the policy has to say about metrics
// and floors while the minimum stays.
func tellPolicy(old, now Scaler, say func(string, ...any)) {
	if now.Min != old.Min {
		by := cmp.Or(now.holder(), "no floor is left")
		say("%s: MIN %d, not %d: %s", now.Name, now.Min, old.Min, by)
	}
	for _, c := range now.Policy.Conditions {
		was := conditionOf(old.Policy.Conditions, c.Type)
		if was.Reason == c.Reason || was.Reason == "" {
			continue
		}
		switch c.Type {
		case v1alpha1.MetricsAvailable:
			say("%s, its policy: %s", now.Name, inBrief(c.Message))
		case v1alpha1.Held:
			if c.Reason == decide.Releasing {
				say("%s, its policy: %s", now.Name, c.Message)
			}
		case v1alpha1.Ready, v1alpha1.Conflict:
			say("%s, its policy: %s: %s", now.Name, c.Reason, c.Message)
		}
	}
}

// worthTelling leaves out the reasons that say that nothing is special, and
// those that the number of replicas says better.
func worthTelling(reason string) bool {
	switch reason {
	case "SucceededGetScale", "SucceededRescale", "ReadyForNewScale", "ValidMetricFound", "NotScaledToZero", "DesiredWithinRange", "":
		return false
	}
	return true
}

// essence leaves out what the HPA controller puts before the words of a metrics
// API: which of its calls failed, the reason says already.
func essence(message string) string {
	if i := strings.LastIndex(message, " metrics API: "); i >= 0 {
		return message[i+len(" metrics API: "):]
	}
	return message
}

// inBrief leaves out of what a policy says about metrics the words of the HPA, which
// its own condition has.
func inBrief(message string) string {
	begin := strings.Index(message, ": the HPA was unable to ")
	if begin < 0 {
		return message
	}
	outlook := ""
	if i := strings.LastIndex(message, ". fallback holds "); i > begin {
		outlook = message[i:]
	}
	return message[:begin] + outlook
}

// against names the metric, its value, and what it should be.
func (s Scaler) against() string { return s.Metric + " " + s.compared() }

// compared says what the value is, and what it should be.
func (s Scaler) compared() string {
	return fmt.Sprintf("%s %s, target %s", number(s.Value), s.Unit, number(s.Target))
}

// number has one digit behind the point where it says something.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if whole, ok := trimZero(text); ok {
		return whole
	}
	return text
}

func trimZero(text string) (string, bool) {
	if n := len(text); n > 2 && text[n-2:] == ".0" {
		return text[:n-2], true
	}
	return text, false
}
