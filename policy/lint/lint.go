package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/loadline/loadline/policy/guard"
)

// linter brings snapshots before the guard and collects what it says.
type linter struct {
	Options
	ignores []Ignore
	// kustomizedBy is the kustomization that a file is a part of and that is not rendered.
	kustomizedBy func(file string) string
	result       Result
	ran          map[guard.ID]bool
}

// Lint says what is found in manifests. With old, manifests as they were before a
// change, it is what the change brings about, and what only a change shows.
func Lint(in, old *Input, ignores []Ignore, o Options) (*Result, error) {
	l := &linter{Options: o, ignores: slices.Clone(ignores), ran: map[guard.ID]bool{}, kustomizedBy: in.kustomizedBy}
	l.input(in)
	all := worlds(items(in.Documents, o))
	var before map[string]world
	if old != nil {
		before = l.before(old)
	}
	if len(all) > 1 {
		l.result.Summary.Worlds = len(all)
	}
	everywhere := map[identity]bool{}
	for _, w := range all {
		for _, one := range w.items {
			everywhere[one.identity()] = true
		}
	}
	for _, w := range all {
		if !relevant(w.items) {
			if w.at != "" {
				l.result.NotRead = append(l.result.NotRead, NotRead{w.at, "there is neither an HPA nor a workload in it, so that there is nothing to look for"})
			}
			continue
		}
		s, broken := snapshot(w.items, o)
		l.broken(broken)
		if old != nil {
			s.Old, broken = snapshot(before[l.key(w, all)].items, o)
			l.broken(broken)
		}
		if err := l.evaluate(s, w, everywhere); err != nil {
			return nil, err
		}
	}
	l.unused()
	l.result.finish()
	return &l.result, nil
}

func (l *linter) input(in *Input) {
	l.result.Summary.Objects += len(in.Documents)
	l.result.Summary.Files += in.Files
	l.result.NotRead = append(l.result.NotRead, in.NotRead...)
	l.broken(in.Broken)
}

func (l *linter) broken(all []error) {
	for _, err := range all {
		l.result.Errors = append(l.result.Errors, err.Error())
	}
}

// before are the worlds as they were, by their place below what is common to all.
func (l *linter) before(old *Input) map[string]world {
	l.broken(old.Broken)
	all := worlds(items(old.Documents, l.Options))
	found := map[string]world{}
	for _, w := range all {
		found[l.key(w, all)] = w
	}
	return found
}

// key names a world by its place below what all have in common, so that the same one is
// found in another directory.
func (l *linter) key(w world, all []world) string {
	if len(all) == 1 {
		return ""
	}
	var every []item
	for _, one := range all {
		every = append(every, one.items...)
	}
	return relative(common(every), w.at)
}

// evaluate adds what the guard finds in a world to the result.
func (l *linter) evaluate(s *guard.Snapshot, w world, everywhere map[identity]bool) error {
	report, err := guard.Evaluate(*s, guard.Options{})
	if err != nil {
		return err
	}
	if s.Old != nil {
		if err := l.onlyNew(&report, s); err != nil {
			return err
		}
	}
	places := map[identity]item{}
	ignores := slices.Clone(l.ignores)
	for _, one := range w.items {
		places[one.identity()] = one
		found, wrong := annotated(one)
		ignores = append(ignores, found...)
		l.broken(wrong)
	}
	for _, f := range report.Findings {
		// A target that is given in another world is not missing.
		if f.ID == missingTarget && len(f.Related) > 0 && everywhere[of(f.Related[0])] {
			o := f.Object
			report.Skipped = append(report.Skipped, guard.Skip{ID: f.ID, Name: f.Name, Object: &o, Reason: "its target is given elsewhere: " + f.Related[0].String()})
			continue
		}
		at := place(f, places)
		if f.ID == missingTarget && l.kustomizedBy != nil {
			if k := l.kustomizedBy(at.File); k != "" {
				o := f.Object
				report.Skipped = append(report.Skipped, guard.Skip{ID: f.ID, Name: f.Name, Object: &o, Reason: fmt.Sprintf("its target may come from %s, which is not rendered", k)})
				continue
			}
		}
		l.report(at, ignores)
	}
	for _, skipped := range report.Skipped {
		l.result.Skipped = append(l.result.Skipped, Skip{Skip: skipped, World: w.at})
	}
	for _, id := range report.Ran {
		l.ran[id] = true
	}
	for i := range ignores {
		if i < len(l.ignores) {
			l.ignores[i].used = l.ignores[i].used || ignores[i].used
		} else if !ignores[i].used && slices.Contains(report.Ran, ignores[i].ID) {
			l.result.UnusedIgnores = append(l.result.UnusedIgnores, ignores[i])
		}
	}
	return nil
}

// relevant says whether there is anything that a check is about.
func relevant(all []item) bool {
	kinds := append(guard.Workloads(), guard.Scalers()...)
	return slices.ContainsFunc(all, func(one item) bool { return slices.Contains(kinds, one.identity().kind) })
}

// missingTarget is the only check that takes what is not given for what is not there.
const missingTarget guard.ID = 1

func place(f guard.Finding, places map[identity]item) Finding {
	found := Finding{Finding: f}
	if one, ok := places[of(f.Object)]; ok && one.doc != nil {
		at := one.doc.Position(f.Field)
		found.File, found.Line, found.Column = one.doc.File, at.Line, at.Column
	}
	return found
}

func (l *linter) report(f Finding, ignores []Ignore) {
	var by *Ignore
	for i := range ignores {
		if !ignores[i].matches(f.Finding) {
			continue
		}
		ignores[i].used = true
		if by == nil {
			by = &ignores[i]
		}
	}
	if by != nil {
		l.result.Ignored = append(l.result.Ignored, Ignored{Finding: f, Reason: by.Reason, By: by.At})
		return
	}
	l.result.Findings = append(l.result.Findings, f)
}

// unused are the ignores of the file that match nothing, though there was a look.
func (l *linter) unused() {
	for _, i := range l.ignores {
		if !i.used && l.ran[i.ID] {
			l.result.UnusedIgnores = append(l.result.UnusedIgnores, i)
		}
	}
}

// onlyNew leaves of a report what was not found before the change.
func (l *linter) onlyNew(r *guard.Report, s *guard.Snapshot) error {
	was, err := guard.Evaluate(*s.Old, guard.Options{})
	if err != nil {
		return err
	}
	type spot struct {
		id     guard.ID
		object identity
		field  string
	}
	known := map[spot]bool{}
	for _, f := range was.Findings {
		known[spot{f.ID, of(f.Object), f.Field}] = true
	}
	before := 0
	r.Findings = slices.DeleteFunc(r.Findings, func(f guard.Finding) bool {
		old := known[spot{f.ID, of(f.Object), f.Field}]
		if old {
			before++
		}
		return old
	})
	l.result.Summary.Before += before
	return nil
}

// Objects is a snapshot of live objects, with what their annotations ignore.
type Objects struct {
	Snapshot guard.Snapshot
	Items    []Live
}

// LintLive says what is found in live objects.
func LintLive(live *Objects, ignores []Ignore, o Options) (*Result, error) {
	l := &linter{Options: o, ignores: slices.Clone(ignores), ran: map[guard.ID]bool{}}
	l.result.Summary.Objects = live.Count()
	w := world{}
	for _, one := range live.Items {
		w.items = append(w.items, item{object: one.Object})
	}
	if err := l.evaluate(&live.Snapshot, w, nil); err != nil {
		return nil, err
	}
	l.unused()
	l.result.finish()
	return &l.result, nil
}

// kindsOf are kinds in order.
func kindsOf(m map[guard.Kind]bool) []guard.Kind { return slices.Sorted(maps.Keys(m)) }
