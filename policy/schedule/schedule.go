package schedule

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // an image without a time zone database must not refuse what others take
)

// The bounds of a duration.
const (
	MinDuration = time.Minute
	MaxDuration = 168 * time.Hour
)

// Problem is one mistake in a schedule.
type Problem struct {
	// Field is the field of the policy's schedule: start, duration or timeZone.
	Field string
	// Text says what is wrong with it and what to write.
	Text string
}

func (p Problem) Error() string { return p.Field + ": " + p.Text }

func problemf(field, format string, args ...any) Problem {
	return Problem{Field: field, Text: fmt.Sprintf(format, args...)}
}

// Spec is a compiled schedule. The zero value is never active.
type Spec struct {
	cron     cron
	duration time.Duration
	zone     *time.Location
	// gapless: on a day with starts, each comes before the one before has ended.
	gapless bool
}

// Compile reads a schedule.
//
// start has the five fields of cron: minute, hour, day of month, month, day of week
// (0 or 7 is Sunday), each a list of *, numbers, ranges and steps; months and days
// of the week have their English names of three letters, too. If both days are
// restricted, either is enough. zone is a name of the IANA database; empty is UTC.
//
// The problems are all that is wrong, in the order of the fields; with one the Spec is
// the zero value.
func Compile(start string, duration time.Duration, zone string) (Spec, []Problem) {
	c, found := parse(start)
	if duration < MinDuration || duration > MaxDuration {
		found = append(found, problemf("duration", "%s is no duration of a schedule: give 1m to 168h", duration))
	}
	loc, err := time.LoadLocation(zone)
	switch {
	// LoadLocation would take "Local" for the zone of this machine, which says nothing
	// about the cluster's people.
	case strings.EqualFold(zone, "local"):
		found = append(found, problemf("timeZone", "%q depends on the machine: name a zone, for example Europe/Berlin", zone))
	case err != nil:
		found = append(found, problemf("timeZone", "%q is not in the IANA time zone database: write for example Europe/Berlin, or leave it out for UTC", clip(zone)))
	}
	if len(found) > 0 {
		return Spec{}, found
	}
	return Spec{cron: c, duration: duration, zone: loc, gapless: c.gap() <= duration}, nil
}

// clip keeps what a user wrote short in a message.
func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
