package chain

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxShown is how many pods, or series, of a metric the text has.
const maxShown = 20

// Text prints a report for people. The last line is the decision. Whatever is of the cluster
// is printed without control characters.
func (r *Report) Text(to io.Writer) error {
	var b bytes.Buffer
	t := text{&b}
	r.head(t)
	for i := range r.Metrics {
		t.line("", "")
		r.Metrics[i].text(t, i+1)
	}
	if u := r.Undiagnosed; u != nil {
		t.line("", "")
		t.line("", "Rules and queries are not shown: %s. To see them, %s.", u.Reason, u.Remedy)
	}
	t.section("Steps", r.stepLines())
	t.section("Conditions of the HPA", r.conditionLines())
	t.section("Not observable", r.NotObservable)
	var broken []string
	for _, x := range r.Broken {
		broken = append(broken, x.At+": "+x.Reason, "  remedy: "+x.Remedy)
	}
	t.section("Broken", broken)
	t.line("", "")
	t.line("", "Decision: %s", r.Decision.Text)
	_, err := to.Write(b.Bytes())
	return err
}

// text writes lines.
type text struct{ to io.Writer }

func (t text) line(indent, format string, args ...any) {
	fmt.Fprintln(t.to, indent+clean(fmt.Sprintf(format, args...)))
}

// section has a heading and lines, and is left out without them. What is indented stays so.
func (t text) section(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.line("", "")
	t.line("", "%s:", heading)
	for _, l := range lines {
		trimmed := strings.TrimLeft(l, " ")
		t.line("  "+l[:len(l)-len(trimmed)], "%s", trimmed)
	}
}

// table aligns cells.
func (t text) table(indent string, rows [][]string) {
	w := tabwriter.NewWriter(t.to, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = clean(c)
		}
		fmt.Fprintln(w, indent+strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	_ = w.Flush() // into memory
}

// clean makes one line of s, of which nothing moves a terminal's cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

func (r *Report) head(t text) {
	rows := [][]string{{"HPA:", r.Namespace + "/" + r.Name}, {"Target:", r.Target}}
	if s := r.Size; s != nil {
		found := fmt.Sprintf("the pods of %q could not be read", s.Selector)
		if s.Pods != nil {
			found = fmt.Sprintf("%s found by %q", pods(*s.Pods), s.Selector)
		}
		rows = append(rows, []string{"Size:", fmt.Sprintf("%d wanted, %d there; %s", s.Wanted, s.There, found)})
	}
	bounds := fmt.Sprintf("min %d, max %d", r.Bounds.Min, r.Bounds.Max)
	if p := r.Policy; p != nil && p.Min != r.Bounds.Min {
		bounds += fmt.Sprintf(" (the policy's own min is %d)", p.Min)
	}
	rows = append(rows, []string{"Bounds:", bounds})
	if s := r.LastSync; s != nil {
		last := fmt.Sprintf("%d there, %d wanted", s.Current, s.Desired)
		if s.Scaled != nil {
			last += "; scaled last " + r.ago(*s.Scaled) + " ago"
		}
		if s.Stale {
			last += "; the HPA was changed since"
		}
		rows = append(rows, []string{"Last sync:", last})
	}
	t.table("", append(rows, r.policyRows()...))
}

func (r *Report) policyRows() [][]string {
	p := r.Policy
	if p == nil {
		return nil
	}
	rows := [][]string{{"Policy:", p.Name + ", " + p.State}}
	if p.Ready != "" {
		rows[0][1] += ", not ready: " + p.Ready
	}
	if p.Frozen {
		rows = append(rows, []string{"Holds:", "the size: no metric changes it (selectPolicy is Disabled)"})
	}
	for _, h := range p.Holds {
		until := ""
		if h.Until != nil {
			until = " until " + h.Until.UTC().Format("2006-01-02 15:04 UTC")
		}
		rows = append(rows, []string{"Holds:", fmt.Sprintf("min %d%s by %s: %s", h.Value, until, h.Owner, h.Reason)})
	}
	return rows
}

func (m *Metric) text(t text, n int) {
	t.line("", "Metric %d: %s (%s), target %s", n, m.Name, m.Type, m.Target)
	if m.Asked != "" {
		t.line("  ", "asked: %s", m.Asked)
	}
	m.Behind.text(t)
	if u := m.Undiagnosed; u != nil {
		t.line("  ", "rule and query are not shown: %s. To see them, %s.", u.Reason, u.Remedy)
	}
	m.podTable(t)
	m.seriesTable(t)
	if m.LastSync != "" {
		t.line("  ", "in the last sync: %s", m.LastSync)
	}
	switch {
	case m.Broken != nil:
		t.line("  ", "broken: %s", m.Broken.Reason)
		t.line("  ", "remedy: %s", m.Broken.Remedy)
	case m.Replicas != nil:
		t.line("  ", "proposal: %s", m.Why)
	default:
		t.line("  ", "%s", m.Why)
	}
}

func (m *Metric) podTable(t text) {
	if len(m.Pods) == 0 {
		return
	}
	rows := [][]string{{"POD", "VALUE", "AGE", "COUNTS AS"}}
	for _, p := range m.Pods[:min(len(m.Pods), maxShown)] {
		as := p.As
		if p.Why != "" {
			as += ": " + p.Why
		}
		if p.Assumed != "" {
			as += ", assumed to use " + p.Assumed
		}
		value := p.Value
		if value != "" && p.Requested != "" {
			value += " of " + p.Requested
		}
		rows = append(rows, []string{p.Name, orNone(value), seconds(p.AgeSeconds), as})
	}
	t.table("  ", rows)
	if more := len(m.Pods) - maxShown; more > 0 {
		t.line("  ", "and %s more", pods(more))
	}
}

func (m *Metric) seriesTable(t text) {
	if len(m.Series) == 0 {
		return
	}
	rows := [][]string{{"SERIES", "VALUE", "AGE"}}
	for _, s := range m.Series[:min(len(m.Series), maxShown)] {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, fmt.Sprintf("%s=%q", name, s.Labels[name]))
		}
		rows = append(rows, []string{orNone(strings.Join(labels, ",")), s.Value, seconds(s.AgeSeconds)})
	}
	t.table("  ", rows)
	if more := len(m.Series) - maxShown; more > 0 {
		t.line("  ", "and %d series more", more)
	}
}

func (r *Report) stepLines() []string {
	var lines []string
	for i := range r.Steps {
		lines = append(lines, r.Steps[i].lines...)
	}
	return lines
}

func (r *Report) conditionLines() []string {
	var lines []string
	for _, c := range r.Conditions {
		lines = append(lines, fmt.Sprintf("%s %s for %s, %s: %s", c.Type, c.Status, r.ago(c.Since), c.Reason, c.Message))
		if c.Means != "" {
			lines = append(lines, "  it means: "+c.Means)
		}
	}
	return lines
}

// ago is how long before the report something was.
func (r *Report) ago(t metav1.Time) string {
	switch d := r.Time.Sub(t.Time).Round(time.Second); {
	case d < 2*time.Minute:
		return d.String()
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return strconv.Itoa(n) + " pods"
}

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return strconv.FormatFloat(*s, 'f', -1, 64) + "s"
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
