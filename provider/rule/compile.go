package rule

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/metric"
)

// Compile compiles a configuration file. The error joins every mistake of the
// file, each a *Problem, and what checks say of its sources; there is no Set with an error.
func Compile(data []byte, checks ...Check) (*Set, error) {
	var p problems
	file := decode(data, &p)
	if file == nil {
		return nil, p.err()
	}
	set := &Set{Ruleless: !file.ruled, Exporters: compileExporters(file.exporters, &p)}
	sources := compileSources(file.sources, checks, &p)
	parser := NewParser()
	for _, raw := range file.rules {
		set.Custom = append(set.Custom, compileRule(raw, false, sources, parser, &p))
		if raw.resources.namespaced != nil {
			set.Warnings = append(set.Warnings, raw.path+".resources.namespaced has no effect: it is for externalRules")
		}
	}
	for _, raw := range file.external {
		set.External = append(set.External, compileRule(raw, true, sources, parser, &p))
	}
	reportConflicts(set.Custom, file.rules, &p)
	reportConflicts(set.External, file.external, &p)
	if file.usage != nil {
		set.Usage = compileUsage(*file.usage, sources, parser, &p)
		set.Warnings = append(set.Warnings, set.Usage.missing()...)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	set.Sources = sources.list
	set.Warnings = append(set.Warnings, sources.unused()...)
	return set, nil
}

// compileRule compiles one rule; nil if it has problems.
func compileRule(raw rawRule, external bool, sources *sources, parser parser.Parser, p *problems) *Rule {
	before := p.count()
	r := &Rule{
		id:          raw.path,
		source:      sources.use(raw.path, raw.source, p),
		external:    external,
		namespaced:  external && (raw.resources.namespaced == nil || *raw.resources.namespaced),
		seriesQuery: strings.TrimSpace(raw.seriesQuery.value),
		naming:      compileNaming(raw, p),
		association: compileAssociation(raw.resources, p),
		parser:      parser,
		content:     raw.content(external),
	}
	if r.seriesQuery == "" {
		p.add(raw.path+".seriesQuery", raw.line, "is missing: give a series selector, for example {__name__=~\"http_.+\",pod!=\"\"}")
	} else if matchers, err := parseSelector(parser, r.seriesQuery); err != nil {
		p.add(raw.path+".seriesQuery", raw.seriesQuery.line, "%s", err)
	} else {
		r.selector = matchers
	}
	r.checkResources(raw, p)
	r.compileQuery(raw, p)
	r.compileEmpty(raw, p)
	if p.count() == before {
		r.tryOut(raw, p)
	}
	if p.count() > before {
		return nil
	}
	return r
}

// checkResources finds rules that could never answer.
func (r *Rule) checkResources(raw rawRule, p *problems) {
	none := raw.resources.template.value == "" && len(raw.resources.overrides) == 0
	switch {
	case !r.external && none:
		p.add(raw.resources.path, raw.resources.line, "associates no label with a resource, so no object has this metric: add a template or overrides, for example pod: {resource: pod}")
	case r.external && r.namespaced && raw.resources.template.value == "" && r.association.coreLabel("namespace") == "":
		p.add(raw.resources.path, raw.resources.line, "gives no label for namespaces, which every query of a namespaced external rule needs: add overrides namespace: {resource: namespace}, or set namespaced: false")
	}
}

func (r *Rule) compileQuery(raw rawRule, p *problems) {
	query := raw.metricsQuery
	if strings.TrimSpace(query.value) == "" {
		p.add(raw.path+".metricsQuery", raw.line, "is missing: give a query, for example sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)")
		return
	}
	r.compileTemplate(query, p)
}

// compileTemplate compiles the rule's query.
func (r *Rule) compileTemplate(query text, p *problems) {
	path := r.queryPath()
	if strings.Contains(query.value, tokenStart) {
		p.add(path, query.line, "contains %q, which is reserved", tokenStart)
		return
	}
	template, err := parseTemplate(path[strings.LastIndexByte(path, '.')+1:], query.value, queryFields(), []string{"GroupBySlice", "LabelValuesByName"})
	if err != nil {
		p.add(path, query.line, "%s", err)
		return
	}
	r.template = template
	r.usesValues = strings.Contains(query.value, "LabelValuesByName")
}

// compileEmpty reads what an empty answer means. Of a queue that is gone when it is idle
// nothing is known any more but what the file says of it: so that is one series by its
// name, or the metric would be forgotten with its last series.
func (r *Rule) compileEmpty(raw rawRule, p *problems) {
	given := raw.emptyValue
	if given.line == 0 {
		return
	}
	q, err := resource.ParseQuantity(given.value)
	if err != nil {
		p.add(raw.path+".emptyValue", given.line, "%q is no number: give one such as 0", clip(given.value))
		return
	}
	value := q.AsApproximateFloat64()
	switch _, err := metric.Quantity(value); {
	case !r.external:
		p.add(raw.path+".emptyValue", given.line, "is for externalRules: an object without a sample is not one without load")
	case err != nil:
		p.add(raw.path+".emptyValue", given.line, "%s", err)
	case r.namedSeries() == "":
		p.add(raw.path+".emptyValue", given.line, "needs a seriesQuery of one series by its name, such as queue_depth{queue!=\"\"}: while there is none, nothing else says what the metric is called")
	default:
		r.empty = &value
	}
}

// tryOut renders the query for samples of what a read can ask: what fails for every
// kind of object should fail now.
func (r *Rule) tryOut(raw rawRule, p *problems) {
	var first error
	for _, objectLabel := range r.sampleLabels() {
		err := r.tryLabel(objectLabel)
		if err == nil {
			return
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		p.add(raw.path+".metricsQuery", raw.metricsQuery.line, "%s", first)
	}
}

func (r *Rule) tryLabel(objectLabel string) error {
	for _, matchers := range r.sampleMatchers(objectLabel) {
		_, err := r.render(r.sampleSeries(), matchers, objectLabel)
		_, dropped := errors.AsType[*droppedLabelError](err)
		// A template stands for kinds that no sample knows: the query may be written
		// for one of them.
		if err != nil && !(dropped && r.association.template != nil && !r.usage) {
			return err
		}
	}
	return nil
}

// sampleLabels are labels that can name the rule's objects; "" for external rules.
func (r *Rule) sampleLabels() []string {
	if r.external {
		return []string{""}
	}
	var out []string
	for _, o := range r.association.overrides {
		out = append(out, o.label)
	}
	if t := r.association.template; t != nil {
		if label, err := t.label("", "pod"); err == nil {
			out = append(out, label)
		}
	}
	return out
}

// sampleMatchers are the matchers of some reads. An external read without a
// selector is left out: a query that needs one may still be of use with it.
func (r *Rule) sampleMatchers(objectLabel string) [][]matcher {
	selector := matcher{label: "loadline", kind: promlabels.MatchEqual, values: []string{"a"}}
	namespace := matcher{label: r.association.coreLabel("namespace"), kind: promlabels.MatchEqual, values: []string{"a"}}
	with := func(rest ...matcher) []matcher {
		all := []matcher{selector}
		if namespace.label != "" && namespace.label != objectLabel && (!r.external || r.namespaced) {
			all = append(all, namespace)
		}
		return append(all, rest...)
	}
	if r.external {
		return [][]matcher{with()}
	}
	one := matcher{label: objectLabel, kind: promlabels.MatchEqual, values: []string{"a"}}
	return [][]matcher{with(one), with(one)[1:]}
}

// sampleSeries is the series the rule is for where its selector names one.
func (r *Rule) sampleSeries() string {
	if r.usage {
		return ""
	}
	return cmp.Or(r.namedSeries(), "loadline_sample")
}

// namedSeries is the one series whose name the selector gives; empty if it gives none.
func (r *Rule) namedSeries() string {
	for _, m := range r.selector {
		if m.Name == model.MetricNameLabel && m.Type == promlabels.MatchEqual && renderable(m.Value) {
			return m.Value
		}
	}
	return ""
}

// reportConflicts finds pairs of rules that certainly give the same API name to the
// same series of the same object. Other overlaps depend on the series there are.
func reportConflicts(rules []*Rule, raw []rawRule, p *problems) {
	seen := map[string][]int{}
	for i, r := range rules {
		if r == nil {
			continue
		}
		key := r.conflictKey(raw[i])
		for _, j := range seen[key] {
			if shared, ok := r.shares(rules[j]); ok {
				p.add(r.id, raw[i].line, "gives the same names as %s (same seriesQuery, seriesFilters and name%s): remove one, or give it another name.as", rules[j].id, shared)
				break
			}
		}
		seen[key] = append(seen[key], i)
	}
}

func (r *Rule) conflictKey(raw rawRule) string {
	var filters []string
	for _, f := range raw.filters {
		filters = append(filters, f.is.value+"\x00"+f.isNot.value)
	}
	slices.Sort(filters)
	parts := append(filters, canonical(r.selector), r.naming.matches.String(), r.naming.as)
	return strings.Join(parts, "\x01")
}

// shares names a resource that both rules associate; external metrics have none.
func (r *Rule) shares(other *Rule) (string, bool) {
	if r.external {
		return "", true
	}
	if a, b := r.association.template, other.association.template; a != nil && b != nil && a.text == b.text {
		return ", and resources.template", true
	}
	for _, a := range r.association.overrides {
		for _, b := range other.association.overrides {
			if sameResource(a.resource, b.resource) {
				return ", and resource " + a.resource.String(), true
			}
		}
	}
	return "", false
}
