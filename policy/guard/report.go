package guard

import (
	"cmp"
	"slices"
)

// Finding is one place where an HPA and what it scales come apart.
type Finding struct {
	ID       ID       `json:"id"`
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Object   Object   `json:"object"`
	// Field is the very field, as the API server prints it: spec.metrics[0].type. One
	// that is missing is named as if it were there.
	Field string `json:"field"`
	// Message is what is the matter here.
	Message string `json:"message"`
	// Why is upstream's reason.
	Why    string `json:"why"`
	Remedy string `json:"remedy"`
	// Related are the other objects that take part.
	Related []Object `json:"related,omitempty"`
}

// Concerns says whether an object takes part in the finding.
func (f Finding) Concerns(o Object) bool {
	return f.Object.Same(o) || slices.ContainsFunc(f.Related, o.Same)
}

// Skip is what was not looked at, and why.
type Skip struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	// Object is nil where it is the whole check.
	Object *Object `json:"object,omitempty"`
	// Partly: the check ran, and would have seen more.
	Partly bool `json:"partly,omitempty"`
	// Missing are the kinds that it would have taken.
	Missing []Kind `json:"missing,omitempty"`
	Reason  string `json:"reason"`
}

// Report is what Evaluate found, each list in an order of its own that is always the
// same.
type Report struct {
	Findings []Finding
	Skipped  []Skip
	// Ran are the checks that looked, Partly and without some objects included.
	Ran []ID
}

func compareFindings(a, b Finding) int {
	return cmp.Or(compareObjects(a.Object, b.Object), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
}

func compareSkips(a, b Skip) int {
	var x, y Object
	if a.Object != nil {
		x = *a.Object
	}
	if b.Object != nil {
		y = *b.Object
	}
	return cmp.Or(cmp.Compare(a.ID, b.ID), compareObjects(x, y), cmp.Compare(a.Reason, b.Reason))
}

// result is what one check adds to.
type result struct {
	mode     Mode
	findings []Finding
	skipped  []Skip
}

// find adds a finding with the mode's remedy.
func (r *result) find(o Object, field, message string, related ...Object) {
	r.advise(o, field, message, r.mode.Remedy, related...)
}

// advise adds a finding with a remedy of its own.
func (r *result) advise(o Object, field, message, remedy string, related ...Object) {
	r.findings = append(r.findings, Finding{
		ID: r.mode.ID, Name: r.mode.Name, Severity: r.mode.Severity, Object: o, Field: field,
		Message: message, Why: r.mode.Why, Remedy: remedy, Related: slices.Clone(related),
	})
}

// skip says that the check cannot tell for an object.
func (r *result) skip(o Object, reason string) {
	r.skipped = append(r.skipped, Skip{ID: r.mode.ID, Name: r.mode.Name, Object: &o, Reason: reason})
}
