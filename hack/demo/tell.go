package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
		say("%s", s.announce(now.Phase))
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

func (s Script) announce(p Phase) string {
	r := s.Rates(p)
	load := fmt.Sprintf("%s pages and %s reminders a second", number(r.Web), number(r.Reminders))
	switch p {
	case Warm:
		return "A little load, until every HPA has a value: " + load
	case Up:
		return "THE LOAD GOES UP: " + load
	case Hold:
		return "The load stays for a moment"
	case Down:
		return "THE LOAD GOES DOWN: " + load
	}
	return "The end"
}

func tellScaler(old, now Scaler, say func(string, ...any)) {
	if old.Known != now.Known {
		if now.Known {
			say("%s has a value: %s", now.Name, now.against())
		} else {
			say("%s has no value: %s", now.Name, essence(now.condition("ScalingActive").Message))
		}
	}
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
		if was := old.condition(c.Type); was.Reason != c.Reason && worthTelling(c.Reason) {
			say("%s: %s: %s", now.Name, c.Reason, essence(c.Message))
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
