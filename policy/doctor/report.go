package doctor

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State is what a check came to.
type State string

// The states, from the best to the worst for whoever reads the exit code.
const (
	// OK: what was looked at is as it has to be.
	OK State = "ok"
	// Warn: it works, and may surprise.
	Warn State = "warn"
	// Unknown: it could not be looked at; Seen says why.
	Unknown State = "unknown"
	// Fail: HPAs do not get what they need.
	Fail State = "fail"
)

// Report is what all checks came to. Its JSON is for programs: fields are only ever added,
// and lists are never null.
type Report struct {
	// Time is when the cluster was read.
	Time metav1.Time `json:"time"`
	// Checks are all that there are, in an order that is always the same.
	Checks  []Finding `json:"checks"`
	Summary Summary   `json:"summary"`
}

// Finding is what one check came to.
type Finding struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	State State  `json:"state"`
	// Seen is what was seen or, of what could not be looked at, why.
	Seen string `json:"seen"`
	// Remedies are what to do; none where there is nothing to do.
	Remedies []string `json:"remedies"`
	// MissingRights are what whoever asked may not, and the check needs.
	MissingRights []string `json:"missingRights"`
	// Objects are those that are not as they have to be, each with what is wrong.
	Objects []Object `json:"objects"`
}

// Object is one that a finding is about.
type Object struct {
	Kind string `json:"kind"`
	// Namespace is empty for an object of the cluster.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Seen      string `json:"seen"`
}

// String is NAMESPACE/NAME: what is seen.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Name + ": " + o.Seen
	}
	return o.Namespace + "/" + o.Name + ": " + o.Seen
}

// Summary counts checks by their state.
type Summary struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
}

// Check runs all checks.
func Check(s *Snapshot) *Report {
	r := &Report{Time: metav1.NewTime(s.Now.UTC().Truncate(time.Second)), Checks: []Finding{}}
	for _, c := range Catalogue() {
		o := &outcome{}
		c.run(s, o)
		f := o.finding(c)
		switch f.State {
		case OK:
			r.Summary.OK++
		case Warn:
			r.Summary.Warn++
		case Fail:
			r.Summary.Fail++
		default:
			r.Summary.Unknown++
		}
		r.Checks = append(r.Checks, f)
	}
	return r
}

// Text prints a report for people: a line for each check, what to do below it, and the sum.
// Whatever is of the cluster is printed without control characters.
func (r *Report) Text(to io.Writer) error {
	var b bytes.Buffer
	width := 0
	for _, f := range r.Checks {
		width = max(width, len(f.ID))
	}
	for _, f := range r.Checks {
		fmt.Fprintf(&b, "%-7s  %-*s  %s\n", f.State, width, f.ID, clean(f.Seen))
		for _, remedy := range f.Remedies {
			fmt.Fprintf(&b, "         %-*s  remedy: %s\n", width, "", clean(remedy))
		}
		for _, right := range f.MissingRights {
			fmt.Fprintf(&b, "         %-*s  missing right: %s\n", width, "", clean(right))
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d warn, %d fail, %d unknown\n", r.Summary.OK, r.Summary.Warn, r.Summary.Fail, r.Summary.Unknown)
	_, err := to.Write(b.Bytes())
	return err
}

// clean is one line that moves no cursor.
func clean(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// outcome is what a check adds to. The worst state counts.
type outcome struct {
	state    State
	seen     []string
	remedies []string
	rights   []string
	objects  []Object
}

// maxShown is how many objects one line names.
const maxShown = 3

func (o *outcome) add(s State, remedy, format string, args ...any) {
	order := []State{"", OK, Warn, Unknown, Fail}
	if slices.Index(order, s) > slices.Index(order, o.state) {
		o.state = s
	}
	if text := fmt.Sprintf(format, args...); !slices.Contains(o.seen, text) {
		o.seen = append(o.seen, text)
	}
	if remedy != "" && !slices.Contains(o.remedies, remedy) {
		o.remedies = append(o.remedies, remedy)
	}
}

func (o *outcome) ok(format string, args ...any)           { o.add(OK, "", format, args...) }
func (o *outcome) warn(remedy, format string, args ...any) { o.add(Warn, remedy, format, args...) }
func (o *outcome) fail(remedy, format string, args ...any) { o.add(Fail, remedy, format, args...) }

// unread says that something could not be read, and by which right it could.
func (o *outcome) unread(what string, u *Unread) {
	o.add(Unknown, "", "%s: %s", what, u.Reason)
	if u.Right != "" && !slices.Contains(o.rights, u.Right) {
		o.rights = append(o.rights, u.Right)
	}
}

// about adds objects, of which the line names some.
func (o *outcome) about(s State, remedy, what string, objects []Object) {
	var names []string
	for _, object := range objects[:min(len(objects), maxShown)] {
		names = append(names, object.String())
	}
	text := what + ": " + strings.Join(names, "; ")
	if more := len(objects) - maxShown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	o.objects = append(o.objects, objects...)
	o.add(s, remedy, "%s", text)
}

func (o *outcome) finding(c Test) Finding {
	return Finding{
		ID: c.ID, Title: c.Title, State: o.state, Seen: strings.Join(o.seen, "; "),
		Remedies: list(o.remedies), MissingRights: list(o.rights), Objects: list(o.objects),
	}
}

// list is never null in JSON.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
