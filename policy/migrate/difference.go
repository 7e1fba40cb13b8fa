package migrate

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/rule"
)

// The differences, by what never changes of them.
const (
	nanDifference        = "nan"
	severalDifference    = "several-samples"
	ageDifference        = "sample-age"
	valuesDifference     = "matcher-values"
	absenceDifference    = "no-series"
	objectsDifference    = "objects"
	templateDifference   = "later-kinds"
	usageDifference      = "usage"
	unlistableDifference = "cannot-list"
)

func different(id, text string) Difference { return Difference{ID: id, Text: text} }

// differences are those that concern a rule of custom or external metrics; that it is
// about docs/migrate-from-prometheus-adapter.md says.
func differences(r *rule.Rule, d rule.Description, reads []Read) (all []Difference) {
	f := featuresOf(reads)
	all = append(all, f.common(d)...)
	if !r.External() && !f.oneEach {
		all = append(all, different(severalDifference, "where the query gives several samples for one object that is an error, which names the labels to aggregate over; it was the last of them"))
	}
	if r.External() && r.EmptySeries() == "" && !f.fills {
		all = append(all, different(absenceDifference, "no series is 404 with the query, and was an empty list; an HPA keeps its size either way. emptyValue: 0 in the rule, if none means nothing to do"))
	}
	if d.Template != "" {
		all = append(all, different(templateDifference, "a kind that is installed later is found when it is asked for; that took a restart"))
	}
	if others := beyondCore(d); len(others) > 0 {
		all = append(all, different(unlistableDifference, "until the adapter may list and watch "+strings.Join(others, ", ")+" it answers for these by name only, and for one that is gone, too"))
	}
	return all
}

// usageDifferences are those of resourceRules.
func usageDifferences(r *rule.Rule, resource, objects string, reads []Read) (all []Difference) {
	d := r.Describe()
	f := featuresOf(reads)
	all = f.common(d)
	if !f.oneEach {
		all = append(all, different(severalDifference, "what has several samples is not given; it was the first of them for nodes, and the last for containers"))
	}
	all = append(all, different(usageDifference, "NaN and less than 0 are not given; they were 0"))
	if objects == "pods" {
		all = append(all, different(objectsDifference, "a container of which "+other(resource)+" is not known is given without it, and one that has ended is left out; what was not known was 0"))
	}
	return all
}

func other(resource string) string {
	if resource == "cpu" {
		return "memory"
	}
	return "cpu"
}

// beyondCore are the resources that prometheus-adapter's own role does not list.
func beyondCore(d rule.Description) (names []string) {
	for _, l := range d.Labels {
		singular := schema.GroupResource{Group: l.Resource.Group, Resource: strings.TrimSuffix(l.Resource.Resource, "s")}
		core := singular.Group == "" && slices.Contains([]string{"node", "namespace", "pod", "service"}, singular.Resource)
		if !core && !slices.Contains(names, l.Resource.String()) {
			names = append(names, l.Resource.String())
		}
	}
	return names
}

// features are what matters of a query.
type features struct {
	divides, quantile, domain bool // where NaN and Inf come from
	instant                   bool
	// fills: it makes a value where there is no series.
	fills bool
	// oneEach: there is one sample at most for each object, or for each container.
	oneEach bool
}

// featuresOf looks at what is asked; the queries of one rule are alike in all of this.
func featuresOf(reads []Read) (f features) {
	f.oneEach = true
	for _, read := range reads {
		expr, err := rule.NewParser().ParseExpr(read.PromQL)
		if err != nil {
			continue // there is none
		}
		f.oneEach = f.oneEach && aggregates(expr, read.tells)
		parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
			f.look(node, path)
			return nil
		})
	}
	return f
}

func (f *features) look(node parser.Node, path []parser.Node) {
	switch e := node.(type) {
	case *parser.BinaryExpr:
		_, constant := e.RHS.(*parser.NumberLiteral)
		f.divides = f.divides || (e.Op == parser.DIV || e.Op == parser.MOD) && !constant
	case *parser.Call:
		f.fills = f.fills || slices.Contains([]string{"vector", "absent", "absent_over_time"}, e.Func.Name)
		f.quantile = f.quantile || strings.HasPrefix(e.Func.Name, "histogram_")
		f.domain = f.domain || slices.Contains([]string{"ln", "log2", "log10", "sqrt", "acos", "asin", "acosh", "atanh"}, e.Func.Name)
	case *parser.VectorSelector:
		ranged := slices.ContainsFunc(path, func(n parser.Node) bool {
			m, ok := n.(*parser.MatrixSelector)
			return ok && m.VectorSelector == e
		})
		f.instant = f.instant || !ranged
	}
}

// aggregates says whether the outermost of a query is an aggregation by nothing but the labels
// that tell objects apart; but for parentheses, computing with numbers, and functions that take
// each element by itself.
func aggregates(expr parser.Expr, tells []string) bool {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return aggregates(e.Expr, tells)
	case *parser.UnaryExpr:
		return aggregates(e.Expr, tells)
	case *parser.AggregateExpr:
		keeps := slices.Contains([]parser.ItemType{parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO, parser.COUNT_VALUES}, e.Op)
		more := slices.ContainsFunc(e.Grouping, func(label string) bool { return !slices.Contains(tells, label) })
		return !keeps && !e.Without && !more
	case *parser.Call:
		if e.Func.Name == "histogram_quantile" { // which takes le away
			tells = append(slices.Clone(tells), "le")
		}
		each := []string{"abs", "ceil", "clamp", "clamp_max", "clamp_min", "floor", "histogram_quantile", "round"}
		i := slices.IndexFunc(e.Args, func(arg parser.Expr) bool { return arg.Type() == parser.ValueTypeVector })
		return slices.Contains(each, e.Func.Name) && i >= 0 && aggregates(e.Args[i], tells)
	case *parser.BinaryExpr:
		switch {
		case e.LHS.Type() == parser.ValueTypeScalar:
			return aggregates(e.RHS, tells)
		case e.RHS.Type() == parser.ValueTypeScalar:
			return aggregates(e.LHS, tells)
		}
		return aggregates(e.LHS, tells) && aggregates(e.RHS, tells)
	}
	return false
}

// common are the differences of all rules.
func (f features) common(d rule.Description) (all []Difference) {
	const was = "; it was 0, or a huge negative number"
	switch {
	case f.divides:
		all = append(all, different(nanDifference, "where a divisor is 0 the value is NaN or Inf, which is an error that says so"+was+". Behind the divisor, > 0 leaves such objects out"))
	case f.quantile:
		all = append(all, different(nanDifference, "a histogram without observations gives NaN, which is an error that says so"+was))
	case f.domain:
		all = append(all, different(nanDifference, "what the function has no value for is NaN or Inf, which is an error that says so"+was))
	}
	if f.instant {
		all = append(all, different(ageDifference, "samples of an instant selector count for --sample-max-age (2m30s); it was 5m, the source's own bound"))
	}
	if d.Values {
		all = append(all, different(valuesDifference, "names in .LabelValuesByName are escaped where they are matched, and taken for what they are; they were taken for regular expressions"))
	}
	return all
}
