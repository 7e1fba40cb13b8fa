package crd

import (
	"regexp"
	"slices"
)

// ruleValue is where a refusal by a rule names the value that it is about.
var ruleValue = regexp.MustCompile(`^([^ ]+: Invalid value: )(?:"[^"]*"|-?[0-9.]+): `)

// wordedAlike is the minor of Kubernetes whose API server words refusals as the table of
// mistakes has them.
const wordedAlike = 37

// Wording returns refusals as they are to be compared with those of an API server of a
// minor: of 1.37 as they are. The messages, which are ours, are the same ever since, and
// so are the fields. An API server of 1.34 has in the place of a rule's value what kind of
// a value it is, "object" or "string", and it lacks one line about a number with a fraction;
// so value and line go, of expectation and answer alike.
func Wording(minor int, refusals []string) []string {
	if minor >= wordedAlike {
		return refusals
	}
	var out []string
	for _, line := range refusals {
		if !moreOfAFraction.MatchString(line) {
			out = append(out, ruleValue.ReplaceAllString(line, "$1"))
		}
	}
	return slices.Clip(out)
}

var moreOfAFraction = regexp.MustCompile(`^<nil>: Invalid value: "": Checked value must be of type integer \(default format\) in `)
