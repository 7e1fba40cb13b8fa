package guard

import (
	"fmt"
	"slices"
	"strings"
)

// Options choose. The zero value chooses everything.
type Options struct {
	// Only are the checks to run; all if it is empty.
	Only []ID
	// Object is whose findings are wanted, those in which it only takes part included;
	// everybody's if it is nil.
	Object *Object
}

// Evaluate returns all findings about a snapshot, in an order that depends on nothing
// but them. It changes nothing in the snapshot and shares no memory with it. The error
// says why nothing can be decided: the snapshot contradicts itself, or the options name
// a check that does not exist.
func Evaluate(s Snapshot, o Options) (Report, error) {
	modes, err := selected(o.Only)
	if err != nil {
		return Report{}, err
	}
	w, err := newWorld(&s)
	if err != nil {
		return Report{}, err
	}
	var report Report
	for _, m := range modes {
		missing, why := without(&s, m.Needs)
		switch {
		case m.Change && s.Old == nil:
			report.skip(m, false, nil, "only a change shows it, and there is nothing to compare with")
			continue
		case m.Status && s.Source != Live:
			report.skip(m, false, nil, "only live objects show it")
			continue
		case len(missing) > 0:
			report.skip(m, false, missing, why)
			continue
		}
		if less, why := without(&s, m.Also); len(less) > 0 {
			report.skip(m, true, less, why)
		}
		r := &result{mode: m}
		m.check(w, r)
		report.Ran = append(report.Ran, m.ID)
		report.Findings = append(report.Findings, r.findings...)
		report.Skipped = append(report.Skipped, r.skipped...)
	}
	report.narrow(o.Object)
	slices.SortStableFunc(report.Findings, compareFindings)
	slices.SortStableFunc(report.Skipped, compareSkips)
	return report, nil
}

func (r *Report) skip(m Mode, partly bool, missing []Kind, reason string) {
	r.Skipped = append(r.Skipped, Skip{ID: m.ID, Name: m.Name, Partly: partly, Missing: missing, Reason: reason})
}

// narrow leaves what concerns an object.
func (r *Report) narrow(o *Object) {
	if o == nil {
		return
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return !f.Concerns(*o) })
	r.Skipped = slices.DeleteFunc(r.Skipped, func(s Skip) bool { return s.Object != nil && !s.Object.Same(*o) })
}

// selected returns the modes that have a check, or those of only.
func selected(only []ID) ([]Mode, error) {
	var modes []Mode
	known := map[ID]bool{}
	for _, m := range Catalogue() {
		known[m.ID] = m.Implemented()
		if m.Implemented() && (len(only) == 0 || slices.Contains(only, m.ID)) {
			modes = append(modes, m)
		}
	}
	for _, id := range only {
		if !known[id] {
			return nil, fmt.Errorf("there is no check %s", id)
		}
	}
	return modes, nil
}

// without returns the kinds that were not gathered, and why.
func without(s *Snapshot, kinds []Kind) (missing []Kind, why string) {
	var reasons []string
	for _, k := range kinds {
		if s.has(k) {
			continue
		}
		missing = append(missing, k)
		reason := s.Missing[k]
		if reason == "" {
			reason = string(k) + " was not gathered"
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return missing, strings.Join(reasons, "; ")
}
