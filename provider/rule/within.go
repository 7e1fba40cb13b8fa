package rule

import (
	"slices"
	"strings"
	"text/template/parse"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// namespaceLabel is the label in which the namespace of a pod is that was scraped, whatever
// the pod says.
const namespaceLabel = "namespace"

// probe stands for the namespace of a read in a trial, and other for all else that a read
// gives.
const probe, other = "loadline-probe", "loadline-other"

// namespaceIn is the one namespace of which series match; empty if it may be another.
func namespaceIn(matchers []*promlabels.Matcher) string {
	for _, m := range matchers {
		switch {
		case m.Name != namespaceLabel:
		case m.Type == promlabels.MatchEqual && m.Value != "":
			return m.Value
		case m.Type == promlabels.MatchRegexp && len(m.SetMatches()) == 1:
			return m.SetMatches()[0]
		}
	}
	return ""
}

// confines says whether the namespace of a read is in its query as that of a trial is in the
// trial's: it goes by the label namespace, no other objects do, and the template does no more
// than print.
func (r *Rule) confines() bool {
	root := r.template.parsed.Root
	others := slices.ContainsFunc(r.association.overrides, func(o override) bool {
		return o.label == namespaceLabel && !sameResource(o.resource, namespaces())
	})
	return !others && r.association.coreLabel("namespace") == namespaceLabel && prints(root, true) && !strings.Contains(root.String(), probe)
}

// prints says whether a template only prints its variables. root says that the dot is still
// the template's data.
func prints(n parse.Node, root bool) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		return n == nil || !slices.ContainsFunc(n.Nodes, func(child parse.Node) bool { return !prints(child, root) })
	case *parse.TextNode, *parse.CommentNode:
		return true
	case *parse.ActionNode:
		return len(n.Pipe.Decl) == 0 && len(n.Pipe.Cmds) == 1 && printed(n.Pipe.Cmds[0].Args, root)
	case *parse.RangeNode: // over what is the same in all reads of a kind of objects
		return root && n.ElseList == nil && n.Pipe.String() == ".GroupBySlice" && prints(n.List, false)
	}
	return false
}

// printed says whether a command is a variable, or one element of one.
func printed(args []parse.Node, root bool) bool {
	text := make([]string, len(args))
	for i, arg := range args {
		text[i] = strings.TrimPrefix(arg.String(), "$") // $.Series is .Series
		if !root && strings.HasPrefix(arg.String(), ".") && len(arg.String()) > 1 {
			return false // of another dot
		}
	}
	switch len(args) {
	case 1:
		_, ofValues := strings.CutPrefix(text[0], ".LabelValuesByName.")
		return ofValues || slices.Contains([]string{".Series", ".LabelMatchers", ".GroupBy"}, text[0]) || !root && text[0] == "."
	case 3:
		literal := args[2].Type() == parse.NodeString || args[2].Type() == parse.NodeNumber
		return text[0] == "index" && literal && (text[1] == ".LabelValuesByName" || text[1] == ".GroupBySlice")
	}
	return false
}

// finder tells of a trial of a rule's query whether it has an answer only if there is a series
// in the namespace by which the rule's metric is found.
type finder struct {
	rule                        *Rule
	series, metric, objectLabel string // of the trial
}

// needed says whether an expression has no elements without such a series. It is true only
// where that is certain.
func (f *finder) needed(expr parser.Expr) bool {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return f.needed(e.Expr)
	case *parser.StepInvariantExpr:
		return f.needed(e.Expr)
	case *parser.UnaryExpr:
		return f.needed(e.Expr)
	case *parser.SubqueryExpr:
		return f.needed(e.Expr)
	case *parser.MatrixSelector:
		return f.needed(e.VectorSelector)
	case *parser.AggregateExpr:
		return f.needed(e.Expr)
	case *parser.BinaryExpr:
		left, right := f.needed(e.LHS), f.needed(e.RHS)
		switch {
		case e.VectorMatching != nil && fills(e):
			return false
		case e.Op == parser.LOR:
			return left && right
		case e.Op == parser.LUNLESS:
			return left
		}
		return left || right
	case *parser.Call:
		switch e.Func.Name {
		case "absent", "absent_over_time", "scalar", "vector": // these make something of nothing
			return false
		}
		return slices.ContainsFunc(e.Args, f.needed)
	case *parser.VectorSelector:
		return f.finds(e.LabelMatchers)
	}
	return false
}

// finds says whether each series that a selector matches is in the namespace, and one by which
// the metric is found.
func (f *finder) finds(matchers []*promlabels.Matcher) bool {
	name := ""
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == promlabels.MatchEqual {
			name = m.Value
		}
	}
	if given, ok := f.rule.MetricName(name); name != f.series && (!ok || given != f.metric) {
		return false
	}
	asked := func(m *promlabels.Matcher) bool {
		return slices.ContainsFunc(matchers, func(q *promlabels.Matcher) bool {
			return q.Name == m.Name && (q.Type == m.Type && q.Value == m.Value || some(m) && !q.Matches(""))
		})
	}
	described := f.objectLabel == "" || asked(promlabels.MustNewMatcher(promlabels.MatchNotEqual, f.objectLabel, ""))
	return described && namespaceIn(matchers) == probe && !slices.ContainsFunc(f.rule.selector, func(m *promlabels.Matcher) bool {
		if m.Name == model.MetricNameLabel {
			return name != f.series && !m.Matches(name)
		}
		return !asked(m) && !(some(m) && slices.Contains(ofTargets(), m.Name))
	})
}

// some says whether a matcher asks for no more than that there is the label.
func some(m *promlabels.Matcher) bool {
	return m.Value == "" && m.Type == promlabels.MatchNotEqual || m.Value == ".+" && m.Type == promlabels.MatchRegexp
}

// ofTargets are the labels that all series have that were scraped.
func ofTargets() []string {
	return []string{namespaceLabel, "pod", "node", model.JobLabel, model.InstanceLabel}
}
