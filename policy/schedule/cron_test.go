package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCompileErrors pins the field that is named, and what is said about it.
func TestCompileErrors(t *testing.T) {
	for name, test := range map[string]struct {
		start string
		d     time.Duration
		zone  string
		want  string
	}{
		"empty":             {"", time.Hour, "", `start: "" has 0 fields: write five, minute, hour, day of month, month and day of week, for example 0 7 * * 1-5`},
		"seconds":           {"0 0 7 * * *", time.Hour, "", `start: "0 0 7 * * *" has 6 fields: write five, minute, hour, day of month, month and day of week, for example 0 7 * * 1-5`},
		"shorthand":         {"@daily", time.Hour, "", `start: "@daily" is a shorthand: write the five fields, for example 0 7 * * 1-5`},
		"zone inside":       {"CRON_TZ=UTC 0 7 * * *", time.Hour, "", `start: the time zone does not belong here: give it as timeZone`},
		"minute":            {"60 7 * * *", time.Hour, "", `start: minute: 60 is not between 0 and 59`},
		"negative":          {"-1 7 * * *", time.Hour, "", `start: minute: "" is no number from 0 to 59`},
		"signed":            {"+1 7 * * *", time.Hour, "", `start: minute: "+1" is no number from 0 to 59`},
		"huge":              {"0 99999999999999999999 * * *", time.Hour, "", `start: hour: "99999999999999999999" is no number from 0 to 23`},
		"day 0":             {"0 7 0 * *", time.Hour, "", `start: day of month: 0 is not between 1 and 31`},
		"month":             {"0 7 * jam *", time.Hour, "", `start: month: "jam" is no number from 1 to 12 and no name such as jan`},
		"weekday":           {"0 7 * * 8", time.Hour, "", `start: day of week: 8 is not between 0 and 7`},
		"question mark":     {"0 7 ? * *", time.Hour, "", `start: day of month: "?" is no number from 1 to 31`},
		"last":              {"0 7 L * *", time.Hour, "", `start: day of month: "L" is no number from 1 to 31`},
		"empty item":        {"0,,1 7 * * *", time.Hour, "", `start: minute: "" is no number from 0 to 59`},
		"step 0":            {"*/0 7 * * *", time.Hour, "", `start: minute: "0" is no step: give a number from 1 to 59`},
		"two steps":         {"*/2/3 7 * * *", time.Hour, "", `start: minute: "2/3" is no step: give a number from 1 to 59`},
		"step of a number":  {"5/15 7 * * *", time.Hour, "", `start: minute: a step needs a range: write 5-59/15`},
		"backwards":         {"0 22-6 * * *", time.Hour, "", `start: hour: the range 22-6 goes backwards: write it as two, 22-23,0-6`},
		"never":             {"0 7 30,31 2 *", time.Hour, "", `start: day of month: no month of those given has a day 30: it would never start`},
		"short":             {"0 7 * * *", time.Second, "", `duration: 1s is no duration of a schedule: give 1m to 168h`},
		"negative duration": {"0 7 * * *", -time.Hour, "", `duration: -1h0m0s is no duration of a schedule: give 1m to 168h`},
		"long":              {"0 7 * * *", 169 * time.Hour, "", `duration: 169h0m0s is no duration of a schedule: give 1m to 168h`},
		"local":             {"0 7 * * *", time.Hour, "local", `timeZone: "local" depends on the machine: name a zone, for example Europe/Berlin`},
		"unknown zone":      {"0 7 * * *", time.Hour, "Europe/Bärlin", `timeZone: "Europe/Bärlin" is not in the IANA time zone database: write for example Europe/Berlin, or leave it out for UTC`},
		"zone of a path":    {"0 7 * * *", time.Hour, "../../etc/passwd", `timeZone: "../../etc/passwd" is not in the IANA time zone database: write for example Europe/Berlin, or leave it out for UTC`},
		"all at once": {"60 25 * 13 *", time.Second, "Mars", `start: minute: 60 is not between 0 and 59
start: hour: 25 is not between 0 and 23
start: month: 13 is not between 1 and 12
duration: 1s is no duration of a schedule: give 1m to 168h
timeZone: "Mars" is not in the IANA time zone database: write for example Europe/Berlin, or leave it out for UTC`},
		"long text is cut": {"0123456789012345678901234567890123456789012345 7 * * *", time.Hour, "", `start: minute: "0123456789012345678901234567890123456789…" is no number from 0 to 59`},
	} {
		t.Run(name, func(t *testing.T) {
			s, found := Compile(test.start, test.d, test.zone)
			var got []string
			for _, p := range found {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s != (Spec{}) {
				t.Errorf("%+v for a schedule that is wrong", s)
			}
		})
	}
}
