package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// cron is when a schedule starts. A field is a set of numbers, one bit each.
type cron struct {
	minute, hour, day, month, weekday uint64
	// anyDay and anyWeekday: the field is *. Cron asks for either of two restricted
	// fields, and for the restricted one where the other is *.
	anyDay, anyWeekday bool
	// everyHour: the hour is *, with or without a step, or a list of all. Such a start does
	// not mean a certain time of the day, so where clocks show an hour twice it counts twice.
	everyHour bool
}

// field is one of the five.
type field struct {
	name     string
	min, max int
	names    []string // of the numbers from min
}

var (
	minuteField = field{name: "minute", max: 59}
	hourField   = field{name: "hour", max: 23}
	dayField    = field{name: "day of month", min: 1, max: 31}
	monthField  = field{name: "month", min: 1, max: 12, names: []string{
		"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
	}}
	weekdayField = field{name: "day of week", max: 7, names: []string{
		"sun", "mon", "tue", "wed", "thu", "fri", "sat",
	}}
)

// parse reads the five fields. There is no library for it here because those for
// cron jobs leave out a start that a change to summer time skips: a job that does
// not run once is an annoyance, a floor that is not there is an outage.
func parse(start string) (cron, []Problem) {
	if strings.HasPrefix(start, "@") {
		return cron{}, []Problem{problemf("start", "%q is a shorthand: write the five fields, for example 0 7 * * 1-5", clip(start))}
	}
	if strings.Contains(start, "TZ=") {
		return cron{}, []Problem{problemf("start", "the time zone does not belong here: give it as timeZone")}
	}
	texts := strings.Fields(start)
	if len(texts) != 5 {
		return cron{}, []Problem{problemf("start", "%q has %d fields: write five, minute, hour, day of month, month and day of week, for example 0 7 * * 1-5", clip(start), len(texts))}
	}
	var c cron
	var found []Problem
	for i, to := range []struct {
		field
		set *uint64
		any *bool
	}{
		{minuteField, &c.minute, new(bool)},
		{hourField, &c.hour, new(bool)},
		{dayField, &c.day, &c.anyDay},
		{monthField, &c.month, new(bool)},
		{weekdayField, &c.weekday, &c.anyWeekday},
	} {
		set, all, err := to.parse(texts[i])
		if err != nil {
			found = append(found, problemf("start", "%s: %s", to.name, err))
		}
		*to.set, *to.any = set, all
	}
	c.everyHour = strings.Contains(texts[1], "*") || c.hour == 1<<24-1
	if c.weekday&(1<<7) != 0 {
		c.weekday = c.weekday&^(1<<7) | 1
	}
	if len(found) == 0 && !c.possible() {
		found = append(found, problemf("start", "day of month: no month of those given has a day %d: it would never start", bits.TrailingZeros64(c.day)))
	}
	return c, found
}

// possible says whether c ever starts.
func (c cron) possible() bool {
	longest := [13]int{2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
	for m := 1; m <= 12; m++ {
		last := longest[m]
		if last == 0 {
			last = 31
		}
		if c.month&(1<<m) != 0 && (bits.TrailingZeros64(c.day) <= last || !c.anyWeekday) {
			return true
		}
	}
	return false
}

// parse reads a list. all says whether one of its items is *.
func (f field) parse(text string) (set uint64, all bool, err error) {
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := f.item(item)
		if err != nil {
			return 0, false, err
		}
		all = all || item == "*" || item == "*/1"
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, all, nil
}

// item reads one of a list: *, N, N-M, */STEP or N-M/STEP.
func (f field) item(text string) (from, to, step int, err error) {
	body, stepText, stepped := strings.Cut(text, "/")
	first, last, ranged := strings.Cut(body, "-")
	switch {
	case body == "*":
		from, to = f.min, f.max
		if f.max == 7 {
			to = 6 // else a step could count Sunday twice
		}
	case ranged:
		if from, err = f.number(first); err != nil {
			return 0, 0, 0, err
		}
		if to, err = f.number(last); err != nil {
			return 0, 0, 0, err
		}
		if from > to {
			return 0, 0, 0, fmt.Errorf("the range %s goes backwards: write it as two, %s-%d,%d-%s", clip(body), clip(first), f.max, f.min, clip(last))
		}
	case stepped:
		// Some crons take 5/15 for 5-59/15, others for 5.
		return 0, 0, 0, fmt.Errorf("a step needs a range: write %s-%d/%s", clip(body), f.max, clip(stepText))
	default:
		if from, err = f.number(body); err != nil {
			return 0, 0, 0, err
		}
		to = from
	}
	step = 1
	if stepped {
		if step, err = digits(stepText); err != nil || step < 1 || step > f.max {
			return 0, 0, 0, fmt.Errorf("%q is no step: give a number from 1 to %d", clip(stepText), f.max)
		}
	}
	return from, to, step, nil
}

// number reads a number or a name.
func (f field) number(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.min + i, nil
	}
	n, err := digits(text)
	if err != nil {
		if f.names != nil {
			return 0, fmt.Errorf("%q is no number from %d to %d and no name such as %s", clip(text), f.min, f.max, f.names[0])
		}
		return 0, fmt.Errorf("%q is no number from %d to %d", clip(text), f.min, f.max)
	}
	if n < f.min || n > f.max {
		return 0, fmt.Errorf("%s is not between %d and %d", clip(text), f.min, f.max)
	}
	return n, nil
}

// digits reads a number without a sign.
func digits(text string) (int, error) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, errors.New("not only digits")
	}
	return strconv.Atoi(text)
}
