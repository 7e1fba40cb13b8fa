package lint

import (
	"cmp"
	"slices"

	"github.com/loadline/loadline/policy/guard"
)

// Result is what is printed. Its JSON is documented in docs/reference/guard.md, and
// fields are only ever added to it.
type Result struct {
	Findings []Finding `json:"findings"`
	Ignored  []Ignored `json:"ignored"`
	// Skipped is what was not looked at.
	Skipped []Skip `json:"skipped"`
	// NotRead are files that were recognised and left out.
	NotRead []NotRead `json:"notRead"`
	// UnusedIgnores match nothing, though the check ran.
	UnusedIgnores []Ignore `json:"unusedIgnores"`
	// Errors is what could not be read.
	Errors  []string `json:"errors"`
	Summary Summary  `json:"summary"`
}

// Finding is one of guard's with its place.
type Finding struct {
	guard.Finding
	// File, Line and Column are where the field is written, or what is around it if it is
	// not; absent for a live object.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Ignored is a finding that is not reported, and why.
type Ignored struct {
	Finding
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// Skip is one of guard's, of the objects in a directory or file that were looked at
// apart.
type Skip struct {
	guard.Skip
	World string `json:"world,omitempty"`
}

// Summary counts.
type Summary struct {
	Objects  int `json:"objects"`
	Files    int `json:"files"`
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Ignored  int `json:"ignored"`
	// Before are the findings that were there before a change, and are not reported.
	Before int `json:"before,omitempty"`
	// Worlds is how many groups of objects were looked at apart, because some are there
	// several times; 0 if that is not so.
	Worlds int `json:"worlds,omitempty"`
}

// Worst says whether there is a finding of a severity or a worse one.
func (r *Result) Worst(bar guard.Severity) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity.AtLeast(bar) })
}

// finish sorts, counts and makes empty lists of absent ones.
func (r *Result) finish() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Message, b.Message))
	})
	for _, f := range r.Findings {
		switch f.Severity {
		case guard.Critical:
			r.Summary.Critical++
		case guard.High:
			r.Summary.High++
		default:
			r.Summary.Medium++
		}
	}
	r.Summary.Ignored = len(r.Ignored)
	r.Findings = list(r.Findings)
	r.Ignored = list(r.Ignored)
	r.Skipped = list(r.Skipped)
	r.NotRead = list(r.NotRead)
	r.UnusedIgnores = list(r.UnusedIgnores)
	r.Errors = list(r.Errors)
}

// list is never null in JSON.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
