package rule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// QueryInput is what a read asks a rule for.
type QueryInput struct {
	// Series is the source's name of the series; empty for resourceRules.
	Series string
	// Resource is the kind of the described objects; zero for external rules.
	Resource schema.GroupResource
	// Namespace is the objects' namespace; empty for root-scoped objects. It is
	// ignored for Namespace objects, whose name is the namespace. For an external
	// rule it is the reader's namespace, ignored if the rule is not namespaced.
	Namespace string
	// Names are the objects' names. Without names the query asks about every object.
	Names []string
	// Selector is the metric label selector; nil selects everything.
	Selector labels.Selector
}

// Query is a rendered metricsQuery.
type Query struct {
	PromQL string
	// Expr is PromQL parsed; it is the caller's to change. Nil in a query of no rule.
	Expr parser.Expr
	// ObjectLabel is the label of the answer's samples that carries the object's
	// name; empty for external rules.
	ObjectLabel string
	// ContainerLabel is the label that tells the containers of a pod apart, where the values
	// are theirs; empty otherwise.
	ContainerLabel string
	// Instant says that there is an instant selector, whose samples' age the
	// source's lookback delta bounds. Range says that there is a range selector or
	// subquery; Window is the longest of them, 0 if it is not a constant.
	Instant, Range bool
	Window         time.Duration
	// Given are the matchers of the read, for plan to prove what can be asked together.
	Given []Given
	// Empty is what an answer without any element means; nil for nothing.
	Empty *float64
	// MaxSeries is how many series the answer has at most; 0 for no bound but the
	// source's.
	MaxSeries int
}

// queryArgs are the variables of a metricsQuery.
type queryArgs struct {
	Series            string
	LabelMatchers     string
	LabelValuesByName map[string]string
	GroupBy           string
	GroupBySlice      []string
}

func queryFields() []string {
	return []string{"Series", "LabelMatchers", "LabelValuesByName", "GroupBy", "GroupBySlice"}
}

// Query renders the rule's metricsQuery for one read. Errors begin with the rule's
// place in the file.
func (r *Rule) Query(m Mapper, in QueryInput) (Query, error) {
	matchers, objectLabel, err := r.matchers(m, in)
	if err != nil {
		return Query{}, err
	}
	query, err := r.render(in.Series, matchers, objectLabel)
	if err != nil {
		return Query{}, fmt.Errorf("%s: %w", r.queryPath(), err)
	}
	return query, nil
}

// matchers returns the label matchers of a read in the order in which they have
// always been rendered: selector by key, namespace, object.
func (r *Rule) matchers(m Mapper, in QueryInput) (out []matcher, objectLabel string, err error) {
	if out, err = selectorMatchers(in.Selector); err != nil {
		return nil, "", fmt.Errorf("%s: %w", r.id, err)
	}
	if r.external {
		if r.namespaced && in.Namespace == "" {
			return nil, "", fmt.Errorf("%s: a read needs a namespace: give one, or set resources.namespaced: false", r.id)
		}
		if r.namespaced {
			out, err = r.appendNames(m, out, namespaces(), in.Namespace)
		}
		return out, "", err
	}
	resource, err := normalize(m, in.Resource)
	if err != nil {
		return nil, "", fmt.Errorf("%s: the resource %s cannot be found in the cluster: %w", r.id, in.Resource, err)
	}
	if in.Namespace != "" && resource != namespaces() {
		if out, err = r.appendNames(m, out, namespaces(), in.Namespace); err != nil {
			return nil, "", err
		}
	}
	if out, err = r.appendNames(m, out, resource, in.Names...); err != nil {
		return nil, "", err
	}
	return out, out[len(out)-1].label, nil
}

func (r *Rule) appendNames(m Mapper, to []matcher, resource schema.GroupResource, names ...string) ([]matcher, error) {
	label, err := r.association.labelFor(m, resource)
	if err != nil {
		return nil, err
	}
	one, err := nameMatcher(label, names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.id, err)
	}
	return append(to, one), nil
}

// render fills the template and proves the result: it is PromQL, it has values
// only inside strings, and it can name the objects it is about.
func (r *Rule) render(series string, matchers []matcher, objectLabel string) (Query, error) {
	if !r.usage && !renderable(series) {
		return Query{}, fmt.Errorf("the series name %q cannot stand in a query", clip(series))
	}
	values := newStringValues(matchers)
	args := queryArgs{Series: series, LabelValuesByName: values.tokens, GroupBySlice: []string{}}
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	args.LabelMatchers = strings.Join(texts, ",")
	if objectLabel != "" {
		args.GroupBy, args.GroupBySlice = labelName(objectLabel), []string{objectLabel}
	}
	if r.container != "" {
		args.GroupBy += "," + labelName(r.container)
		args.GroupBySlice = append(args.GroupBySlice, r.container)
	}
	promQL, err := r.template.execute(args)
	if err != nil {
		return Query{}, err
	}
	if err := r.computesOnValues(args, &values, promQL); err != nil {
		return Query{}, err
	}
	expr, err := parseQuery(r.parser, promQL)
	if err != nil {
		return Query{}, err
	}
	if strings.Contains(promQL, tokenStart) {
		if err := values.fill(expr); err != nil {
			return Query{}, err
		}
		promQL = expr.String()
	}
	for _, label := range args.GroupBySlice {
		if drops(expr, label) {
			return Query{}, &droppedLabelError{label: label, promQL: promQL}
		}
	}
	s := selectorsOf(expr)
	return Query{PromQL: promQL, Expr: expr, ObjectLabel: objectLabel, ContainerLabel: r.container, Instant: s.instant, Range: s.ranged, Window: s.window, Given: given(matchers, objectLabel), Empty: r.empty}, nil
}

// computesOnValues refuses a template whose text depends on label values other
// than by printing them: it has been given tokens in their place.
func (r *Rule) computesOnValues(args queryArgs, values *stringValues, promQL string) error {
	if !r.usesValues {
		return nil
	}
	args.LabelValuesByName = values.raw
	want, err := r.template.execute(args)
	if err != nil {
		return err
	}
	if values.plain(promQL) != want {
		return errors.New("compares or transforms the values in LabelValuesByName: it may only print them, or test whether there are any")
	}
	return nil
}

// droppedLabelError: the query's result cannot name the objects it is about.
type droppedLabelError struct{ label, promQL string }

func (e *droppedLabelError) Error() string {
	return fmt.Sprintf("its result has no label %s, by which objects are told apart: aggregate with by (<<.GroupBy>>): %s", e.label, clip(e.promQL))
}
