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

// Names returns what the series are called that the rule may look at for a metric of the
// API, as regular expressions that match whole names: those that give the metric its name,
// and those that its query selects besides. They may match more names, never fewer; there
// are none where the rule does not give the metric. ok is false where it cannot be told, as
// of a query that selects by other labels than the name.
//
// The metric does not matter to rules of resourceRules, of which each is about one.
func (r *Rule) Names(metric string) (patterns []string, ok bool) {
	if r.usage {
		return r.selected("", "")
	}
	of, given := r.givenBy(metric)
	if !given {
		return nil, true
	}
	selected, ok := r.selected(r.sampleSeries(), of)
	if !ok {
		return nil, false
	}
	patterns = append(selected, of)
	slices.Sort(patterns)
	return slices.Compact(patterns), true
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
	return within(tree.String()), true, true
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

// selected are the patterns of the names that the rule's query selects, for a series that is
// one of those that of matches. It tries the query out as tryOut does.
func (r *Rule) selected(series, of string) (patterns []string, ok bool) {
	if r.template == nil || branches(r.template.parsed.Root) {
		return nil, false // what a trial does not take, a read may
	}
	stands := series
	if r.namedSeries() != "" {
		stands = "" // it stands for nothing but itself
	}
	rendered := false
	for _, objectLabel := range r.sampleLabels() {
		for _, matchers := range r.sampleMatchers(objectLabel) {
			query, err := r.render(series, matchers, objectLabel)
			if err != nil {
				continue
			}
			if stands != "" && r.computesOnSeries(query.PromQL, stands, matchers, objectLabel) {
				return nil, false
			}
			names, ok := namesIn(query.Expr, stands, of)
			if !ok {
				return nil, false
			}
			patterns, rendered = append(patterns, names...), true
		}
	}
	slices.Sort(patterns)
	return slices.Compact(patterns), rendered
}

// NamesIn returns what the series are called that a query selects, in the sense of
// Rule.Names.
func NamesIn(promQL string) (patterns []string, ok bool) {
	expr, err := NewParser().ParseExpr(promQL)
	if err != nil {
		return nil, false
	}
	return namesIn(expr, "", "")
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

// namesIn are the patterns of an expression that was rendered for series, which stands for
// all that of matches.
func namesIn(expr parser.Expr, series, of string) (patterns []string, ok bool) {
	ok = true
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.Call:
			// It looks at series that it does not name.
			ok = ok && node.Func.Name != "info"
		case *parser.VectorSelector:
			pattern, named := nameIn(node.LabelMatchers, series, of)
			patterns, ok = append(patterns, pattern), ok && named
		}
		return nil
	})
	return patterns, ok
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
