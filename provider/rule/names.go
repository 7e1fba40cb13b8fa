package rule

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Names are what series are called, as regular expressions that match whole names, by where
// they are looked for. They may match more names, never fewer.
type Names struct {
	// Within are names of series that have one value in the label namespace: the read's
	// namespace or, where the described object is a Namespace, that. No series that has another
	// value there is looked at under these names.
	Within []string
	// Anywhere are names of series of any namespace, or of which it cannot be told.
	Anywhere []string
}

func (n *Names) add(pattern string, within bool) {
	to := &n.Anywhere
	if within {
		to = &n.Within
	}
	*to = append(*to, pattern)
}

func (n *Names) compact() {
	for _, patterns := range []*[]string{&n.Within, &n.Anywhere} {
		slices.Sort(*patterns)
		*patterns = slices.Compact(*patterns)
	}
}

// Names returns what the series are called that the rule may look at for a metric of the
// API: those that give the metric its name, and those that its query selects besides; there
// are none where the rule does not give the metric. ok is false where it cannot be told, as
// of a query that selects by other labels than the name, in any namespace.
//
// The metric does not matter to rules of resourceRules, of which each is about one.
func (r *Rule) Names(metric string) (names Names, ok bool) {
	if r.usage {
		names, _, ok = r.selected("", "", "")
		return names, ok
	}
	of, given := r.givenBy(metric)
	if !given {
		return Names{}, true
	}
	names, found, ok := r.selected(r.sampleSeries(), of, metric)
	if !ok {
		return Names{}, false
	}
	// By these the metric is known at all, whoever's they are; but where there is no answer
	// without some in the namespace, they are enough.
	names.add(of, found || r.empty != nil)
	names.compact()
	return names, true
}

// givenBy is a pattern of the names of the series that the rule calls metric; false if it
// calls none so.
func (r *Rule) givenBy(metric string) (pattern string, given bool) {
	if named := r.namedSeries(); named != "" {
		name, ok := r.naming.metricName(named)
		return regexp.QuoteMeta(named), ok && name == metric
	}
	pattern, exact, given := r.naming.inverse(metric)
	if !given || exact {
		return pattern, given
	}
	for _, m := range r.selector { // says more than a pattern of which nothing is known
		if m.Name == model.MetricNameLabel && m.Type == promlabels.MatchRegexp {
			return m.Value, true
		}
	}
	return pattern, true
}

// inverse is a pattern of the names that become metric; given is false if there are none.
// It is exact if it has of the metric's name what the rule leaves of a series' name.
func (n *naming) inverse(metric string) (pattern string, exact, given bool) {
	before, group, after, references := n.parts()
	switch {
	case references == 0:
		return within(n.matches.String()), false, metric == before
	case references > 1: // one name can come of several
		return within(n.matches.String()), false, true
	case !strings.HasPrefix(metric, before) || !strings.HasSuffix(metric, after) || len(metric) < len(before)+len(after):
		return "", false, false
	}
	kept := metric[len(before) : len(metric)-len(after)]
	if group == 0 {
		if n.matches.String() == ".*" {
			return regexp.QuoteMeta(kept), true, true
		}
		return within(regexp.QuoteMeta(kept)), true, true
	}
	tree, err := syntax.Parse(n.matches.String(), syntax.Perl)
	if err != nil || !replaceGroup(tree, group, kept) {
		return within(n.matches.String()), false, true
	}
	if name, ok := literally(tree); ok {
		return regexp.QuoteMeta(name), true, true
	}
	return within(tree.String()), true, true
}

// literally is the one text that an expression matches from end to end, if it is so plain: a
// name that is looked up costs less than an expression that is tried.
func literally(tree *syntax.Regexp) (text string, ok bool) {
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 3 || tree.Sub[0].Op != syntax.OpBeginText || tree.Sub[len(tree.Sub)-1].Op != syntax.OpEndText {
		return "", false
	}
	for _, sub := range tree.Sub[1 : len(tree.Sub)-1] {
		if sub.Op != syntax.OpLiteral || sub.Flags&syntax.FoldCase != 0 {
			return "", false
		}
		text += string(sub.Rune)
	}
	return text, true
}

// parts takes name.as apart: what is before its first reference, the group of that, what is
// after, and how many references there are.
func (n *naming) parts() (before string, group int, after string, references int) {
	literal := &before
	for rest := n.as; rest != ""; {
		text, following, found := strings.Cut(rest, "$")
		*literal += text
		if !found {
			break
		}
		if strings.HasPrefix(following, "$") {
			*literal += "$"
			rest = following[1:]
			continue
		}
		name, length := reference(following)
		if references++; references == 1 {
			group = n.group(name)
		}
		literal, rest = &after, following[length:]
	}
	return before, group, after, references
}

// group is the index of a capture group by its number or name.
func (n *naming) group(name string) int {
	if i := n.matches.SubexpIndex(name); i >= 0 {
		return i
	}
	i := 0
	for _, digit := range name { // which name.as was checked for
		i = 10*i + int(digit-'0')
	}
	return i
}

// replaceGroup puts a text in the place of a capture group, and says whether that is all
// the group can be: one that is repeated or may be missing can be something else.
func replaceGroup(tree *syntax.Regexp, group int, text string) bool {
	if tree.Op == syntax.OpCapture && tree.Cap == group {
		*tree = syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune(text), Flags: tree.Flags &^ syntax.FoldCase}
		if text == "" {
			*tree = syntax.Regexp{Op: syntax.OpEmptyMatch}
		}
		return true
	}
	switch tree.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpAlternate:
		return false
	}
	return slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return replaceGroup(sub, group, text) })
}

// within is a pattern of what has a match of another somewhere.
func within(pattern string) string {
	if pattern == ".*" {
		return pattern
	}
	return ".*(?:" + pattern + ").*"
}

// selected are the names that the rule's query selects, for a series that is one of those
// that of matches. found says that an answer for a namespace has to come of a series there by
// which the metric is found. It tries the query out as tryOut does.
func (r *Rule) selected(series, of, metric string) (names Names, found, ok bool) {
	if r.template == nil || branches(r.template.parsed.Root) {
		return Names{}, false, false // what a trial does not take, a read may
	}
	stands := series
	if r.namedSeries() != "" {
		stands = "" // it stands for nothing but itself
	}
	confines, rendered, found := r.confines(), false, true
	for _, objectLabel := range r.sampleLabels() {
		for _, matchers := range r.sampleMatchers(objectLabel) {
			for i, m := range matchers { // no text of the rule's own
				matchers[i].values = []string{other}
				if m.label == namespaceLabel && m.label == r.association.coreLabel("namespace") {
					matchers[i].values = []string{probe}
				}
			}
			query, err := r.render(series, matchers, objectLabel)
			if err != nil {
				continue
			}
			if stands != "" && r.computesOnSeries(query.PromQL, stands, matchers, objectLabel) {
				return Names{}, false, false
			}
			selectors, ok := selectorsIn(query.Expr, stands, of)
			if !ok {
				return Names{}, false, false
			}
			for _, s := range selectors {
				within := confines && s.namespace == probe
				if !s.named && !within {
					return Names{}, false, false
				}
				names.add(s.pattern, within)
			}
			finder := finder{rule: r, series: series, metric: metric, objectLabel: objectLabel}
			found = found && confines && !r.usage && finder.needed(query.Expr)
			rendered = true
		}
	}
	names.compact()
	return names, found, rendered
}

// NamesIn returns what the series are called that a query selects. Namespace is that of
// Names.Within; there is one if the whole query is about one.
func NamesIn(promQL string) (names Names, namespace string, ok bool) {
	expr, err := NewParser().ParseExpr(promQL)
	if err != nil {
		return Names{}, "", false
	}
	selectors, ok := selectorsIn(expr, "", "")
	if !ok {
		return Names{}, "", false
	}
	for i, s := range selectors {
		if i == 0 {
			namespace = s.namespace
		}
		if s.namespace != namespace {
			namespace = ""
		}
	}
	for _, s := range selectors {
		if !s.named && namespace == "" {
			return Names{}, "", false
		}
		names.add(s.pattern, namespace != "")
	}
	names.compact()
	return names, namespace, true
}

// computesOnSeries says whether the query that was rendered for a series has of its name
// anything but the whole, such as its beginning: then it has another of each name.
func (r *Rule) computesOnSeries(promQL, series string, matchers []matcher, objectLabel string) bool {
	const other, stands = "another_probe_of_it", "\x00"
	query, err := r.render(other, matchers, objectLabel)
	return err != nil || strings.ReplaceAll(query.PromQL, other, stands) != strings.ReplaceAll(promQL, series, stands)
}

// NamedOutright says what of a query selects series by other than names that are written
// out, as x or {__name__=~"x|y"}: that may be any series there are. Nil if nothing does.
func NamedOutright(promQL string) (err error) {
	expr, err := NewParser().ParseExpr(promQL)
	if err != nil {
		return fmt.Errorf("is no PromQL that we know: %s", clip(err.Error()))
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if ok && err == nil && !outright(selector.LabelMatchers) {
			err = fmt.Errorf("%s does not write the names of its series out, and only those are scraped that somebody names: write it as x or {__name__=~\"x|y\"}", clip(selector.String()))
		}
		return nil
	})
	return err
}

// outright says whether the names of series are written out, in each matcher that is of them.
func outright(matchers []*promlabels.Matcher) bool {
	some := false
	for _, m := range matchers {
		switch {
		case m.Name != model.MetricNameLabel:
		case m.Type == promlabels.MatchRegexp && len(m.SetMatches()) == 0:
			return false
		case m.Type == promlabels.MatchEqual || m.Type == promlabels.MatchRegexp:
			some = true
		}
	}
	return some
}

// selected is what a selector of a query looks for.
type selected struct {
	pattern   string // of names
	named     bool   // or the pattern is of all names
	namespace string // the only one; empty if there may be others
}

// selectorsIn are those of an expression that was rendered for series, which stands for all
// that of matches; false if it looks at more.
func selectorsIn(expr parser.Expr, series, of string) (all []selected, ok bool) {
	ok = true
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.Call:
			// It looks at series that it does not name.
			ok = ok && node.Func.Name != "info"
		case *parser.VectorSelector:
			s := selected{namespace: namespaceIn(node.LabelMatchers)}
			if s.pattern, s.named = nameIn(node.LabelMatchers, series, of); !s.named {
				s.pattern = ".*"
			}
			all = append(all, s)
		}
		return nil
	})
	return all, ok
}

func nameIn(matchers []*promlabels.Matcher, series, of string) (pattern string, ok bool) {
	for _, m := range matchers {
		switch {
		case m.Name != model.MetricNameLabel:
		case m.Type == promlabels.MatchEqual && series != "" && m.Value == series:
			return of, true
		case m.Type == promlabels.MatchEqual && series == "":
			return regexp.QuoteMeta(m.Value), true
		case m.Type == promlabels.MatchEqual:
			parts := strings.Split(m.Value, series)
			for i, part := range parts {
				parts[i] = regexp.QuoteMeta(part)
			}
			return strings.Join(parts, "(?:"+of+")"), true
		case m.Type == promlabels.MatchRegexp && series == "":
			pattern, ok = m.Value, true
		case m.Type == promlabels.MatchRegexp:
			pattern, ok = strings.ReplaceAll(m.Value, series, "(?:"+of+")"), true
		}
	}
	return pattern, ok
}

// branches says whether a template has more than one way through it.
func branches(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		return n != nil && slices.ContainsFunc(n.Nodes, branches)
	case *parse.RangeNode:
		return branches(n.List) || n.ElseList != nil
	case *parse.IfNode, *parse.WithNode:
		return true
	}
	return false
}
