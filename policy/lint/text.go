package lint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/loadline/loadline/policy/guard"
)

// JSON prints a result for programs.
func (r *Result) JSON(to io.Writer) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "    ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// Text prints a result for people: each finding with its place, upstream's reason and
// the remedy; then what was not looked at, and the sum.
func (r *Result) Text(to io.Writer) {
	for _, f := range r.Findings {
		where := ""
		if f.File != "" {
			where = fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
		}
		fmt.Fprintf(to, "%s%s: %s %s: %s: %s: %s\n    why: %s\n    remedy: %s\n", where, f.Severity, f.ID, f.Name, f.Object, f.Field, line(f.Message), line(f.Why), line(f.Remedy))
	}
	for _, text := range r.notRead() {
		fmt.Fprintln(to, "not read: "+text)
	}
	for _, text := range r.skips() {
		fmt.Fprintln(to, text)
	}
	for _, i := range r.UnusedIgnores {
		fmt.Fprintf(to, "ignores nothing: %s: %s\n", i.At, i.ID)
	}
	fmt.Fprintln(to, r.Summary.String())
}

// String is one line, such as: 2 findings (1 critical, 1 medium), 1 ignored; 12 objects.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", count(s.Critical+s.High+s.Medium, "finding"))
	var parts []string
	for _, p := range []struct {
		n    int
		word guard.Severity
	}{{s.Critical, guard.Critical}, {s.High, guard.High}, {s.Medium, guard.Medium}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(parts, ", "))
	}
	if s.Ignored > 0 {
		fmt.Fprintf(&b, ", %d ignored", s.Ignored)
	}
	if s.Before > 0 {
		fmt.Fprintf(&b, ", %d that were there before the change", s.Before)
	}
	fmt.Fprintf(&b, "; %s", count(s.Objects, "object"))
	if s.Files > 0 {
		fmt.Fprintf(&b, " of %s", count(s.Files, "file"))
	}
	if s.Worlds > 0 {
		fmt.Fprintf(&b, ", looked at in %d groups, since some are there several times", s.Worlds)
	}
	return b.String()
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// notRead says what files were left out, those with one reason in one line.
func (r *Result) notRead() []string {
	files := map[string][]string{}
	var reasons []string
	for _, n := range r.NotRead {
		if files[n.Reason] == nil {
			reasons = append(reasons, n.Reason)
		}
		files[n.Reason] = append(files[n.Reason], n.File)
	}
	for i, reason := range reasons {
		reasons[i] = strings.Join(files[reason], ", ") + ": " + reason
	}
	return reasons
}

// skips says what was not looked at, the checks with one reason in one line.
func (r *Result) skips() []string {
	type group struct {
		object, reason string
		partly         bool
	}
	type line struct {
		group
		ids string
	}
	ids := map[group]map[string][]string{} // by world
	worlds := map[string]bool{}
	for _, s := range r.Skipped {
		g := group{reason: s.Reason, partly: s.Partly}
		if s.Object != nil {
			g.object = s.Object.String()
		}
		if ids[g] == nil {
			ids[g] = map[string][]string{}
		}
		worlds[s.World] = true
		if id := s.ID.String(); !slices.Contains(ids[g][s.World], id) {
			ids[g][s.World] = append(ids[g][s.World], id)
		}
	}
	in := map[line][]string{}
	for g, of := range ids {
		for world, all := range of {
			l := line{g, strings.Join(all, ", ")}
			in[l] = append(in[l], world)
		}
	}
	var lines []string
	for _, l := range slices.SortedFunc(maps.Keys(in), func(a, b line) int {
		return cmp.Or(cmp.Compare(a.object, b.object), cmp.Compare(a.reason, b.reason), cmp.Compare(a.ids, b.ids))
	}) {
		what := "not looked at: "
		if l.partly {
			what = "looked at in part: "
		}
		if len(in[l]) < len(worlds) {
			what += strings.Join(slices.Sorted(slices.Values(in[l])), ", ") + ": "
		}
		if l.object != "" {
			what += l.object + ": "
		}
		lines = append(lines, what+l.ids+": "+l.reason)
	}
	return lines
}

func line(s string) string { return strings.Join(strings.Fields(s), " ") }
