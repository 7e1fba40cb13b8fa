package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/loadline/loadline/provider/metric"
)

// matcher is one label matcher of a query, by its meaning: the label is, or is
// not, one of the values.
type matcher struct {
	label  string
	kind   promlabels.MatchType
	values []string
	// any makes it match every object: label!="".
	any bool
}

// pattern returns the regular expression for values that are meant literally.
func pattern(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = regexp.QuoteMeta(value)
	}
	return strings.Join(quoted, "|")
}

// String returns the matcher as PromQL.
func (m matcher) String() string {
	value := pattern(m.values)
	if m.kind == promlabels.MatchEqual || m.kind == promlabels.MatchNotEqual {
		value = strings.Join(m.values, "") // one value, or none for "is (not) there"
	}
	return labelName(m.label) + m.kind.String() + quote(value)
}

// nameMatcher matches objects by name; without names it matches every object.
func nameMatcher(label string, names []string) (matcher, error) {
	if len(names) == 0 {
		return matcher{label: label, kind: promlabels.MatchNotEqual, any: true}, nil
	}
	// Equal sets of names must give equal queries, for these are shared.
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		if name == "" || !utf8.ValidString(name) {
			return matcher{}, fmt.Errorf("%q cannot be the name of an object", clip(name))
		}
	}
	kind := promlabels.MatchEqual
	if len(names) > 1 {
		kind = promlabels.MatchRegexp
	}
	return matcher{label: label, kind: kind, values: names}, nil
}

// selectorMatchers translates a metric label selector, ordered by key. What cannot
// be translated is the reader's mistake, not the rule's.
func selectorMatchers(selector labels.Selector) ([]matcher, error) {
	if selector == nil {
		return nil, nil
	}
	requirements, selectable := selector.Requirements()
	if !selectable {
		return nil, metric.Errorf(metric.Invalid, "the metric label selector selects nothing")
	}
	out := make([]matcher, 0, len(requirements))
	for _, requirement := range requirements {
		m, err := requirementMatcher(requirement)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b matcher) int { return strings.Compare(a.label, b.label) })
	return out, nil
}

func requirementMatcher(requirement labels.Requirement) (matcher, error) {
	m := matcher{label: requirement.Key(), values: requirement.Values().List()}
	if !validLabel(m.label) {
		return m, metric.Errorf(metric.Invalid, "the metric label selector has the key %q, which is not a label name", clip(m.label))
	}
	for _, value := range m.values {
		if !utf8.ValidString(value) {
			return m, metric.Errorf(metric.Invalid, "the metric label selector has the value %q, which is not UTF-8", clip(value))
		}
	}
	exactlyOne := false
	switch requirement.Operator() {
	case selection.Equals, selection.DoubleEquals:
		m.kind, exactlyOne = promlabels.MatchEqual, true
	case selection.NotEquals:
		m.kind, exactlyOne = promlabels.MatchNotEqual, true
	case selection.In:
		m.kind = promlabels.MatchRegexp
	case selection.NotIn:
		m.kind = promlabels.MatchNotRegexp
	case selection.Exists:
		return matcher{label: m.label, kind: promlabels.MatchNotEqual}, nil
	case selection.DoesNotExist:
		return matcher{label: m.label, kind: promlabels.MatchEqual}, nil
	default:
		return m, metric.Errorf(metric.Invalid, "the metric label selector compares %q by %s, which PromQL cannot: use =, !=, in, notin or presence", clip(m.label), spelled(requirement.Operator()))
	}
	if len(m.values) == 0 || exactlyOne && len(m.values) != 1 {
		return m, metric.Errorf(metric.Invalid, "the metric label selector gives %q %d values for %q", clip(m.label), len(m.values), requirement.Operator())
	}
	return m, nil
}

// spelled returns an operator as readers write it.
func spelled(o selection.Operator) string {
	switch o {
	case selection.GreaterThan:
		return ">"
	case selection.LessThan:
		return "<"
	}
	return string(o)
}

// labelName returns a label as PromQL: quoted unless it has the classic form.
// Servers before Prometheus 3 do not know the quoted form and will refuse it.
func labelName(name string) string {
	if model.LegacyValidation.IsValidLabelName(name) {
		return name
	}
	return quote(name)
}

// quote returns s as a double-quoted PromQL string without any other quote
// character in it: a template that puts matchers inside another string cannot be
// made to end that string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '"', r == '\'', r == '`', r < ' ', r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r >= utf8.RuneSelf && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
