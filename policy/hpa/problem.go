package hpa

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Level says what a Problem means for the HPA.
type Level string

// The levels.
const (
	// Error: there is no HPA.
	Error Level = "Error"
	// Warning: there is an HPA, and it may not do what its owner expects.
	Warning Level = "Warning"
)

// Problem is one mistake in a policy.
type Problem struct {
	Level Level
	// Field is its place, as the API server prints it: spec.objectives[0].queue.perPod.
	Field string
	// Message says what is wrong.
	Message string
	// Remedy says what to do about it; empty where the message says it all.
	Remedy string
}

func (p Problem) Error() string {
	text := p.Message
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

// Failed reports whether one of the problems is an Error.
func Failed(all []Problem) bool {
	return slices.ContainsFunc(all, func(p Problem) bool { return p.Level == Error })
}

// Merge returns said and what more says of other fields: about a field that has an Error
// in said, or about what is inside of it, nothing new is to be learned. Neither list is
// changed.
func Merge(said, more []Problem) []Problem {
	all := slices.Clone(said)
	for _, p := range more {
		if !slices.ContainsFunc(said, func(s Problem) bool { return s.Level == Error && within(p.Field, s.Field) }) {
			all = append(all, p)
		}
	}
	return all
}

// within reports whether a field is another one or in it.
func within(field, of string) bool {
	rest, ok := strings.CutPrefix(field, of)
	return ok && of != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// problems collects every mistake, so that a user mends them in one go.
type problems []Problem

func (p *problems) refuse(at *field.Path, message, remedy string) {
	*p = append(*p, Problem{Level: Error, Field: at.String(), Message: message, Remedy: remedy})
}

func (p *problems) warn(at *field.Path, message, remedy string) {
	*p = append(*p, Problem{Level: Warning, Field: at.String(), Message: message, Remedy: remedy})
}

// once warns of what the same warning has not been about yet: said of each, nobody would
// read it.
func (p *problems) once(at *field.Path, message, remedy string) {
	if !slices.ContainsFunc(*p, func(said Problem) bool { return said.Message == message }) {
		p.warn(at, message, remedy)
	}
}

func (p *problems) refusef(at *field.Path, remedy, format string, args ...any) {
	p.refuse(at, fmt.Sprintf(format, args...), remedy)
}

func (p *problems) warnf(at *field.Path, remedy, format string, args ...any) {
	p.warn(at, fmt.Sprintf(format, args...), remedy)
}
