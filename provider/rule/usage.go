package rule

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// Usage is the compiled section resourceRules: what containers and nodes use.
type Usage struct {
	// Window is what the API says of values of CPU and memory; 0 if the file does not say.
	Window  time.Duration
	queries map[usageOf]*Rule
}

// usageOf is one of the four things that there are queries for.
type usageOf struct {
	resource string // metric.CPU or metric.Memory
	object   string // pods or nodes
}

// allUsage is in the order of the file.
func allUsage() []usageOf {
	return []usageOf{{metric.CPU, "pods"}, {metric.CPU, "nodes"}, {metric.Memory, "pods"}, {metric.Memory, "nodes"}}
}

// Rule returns what gives the usage of a resource, CPU or memory, by pods or nodes; false
// if the file does not say.
func (u *Usage) Rule(resource string, objects schema.GroupResource) (*Rule, bool) {
	if u == nil || objects.Group != "" {
		return nil, false
	}
	r, ok := u.queries[usageOf{resource, objects.Resource}]
	return r, ok
}

// all are the rules that there are, in the order of the file.
func (u *Usage) all() (rules []*Rule) {
	if u == nil {
		return nil
	}
	for _, of := range allUsage() {
		if r := u.queries[of]; r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// missing are warnings of what the file does not say.
func (u *Usage) missing() (warnings []string) {
	for _, of := range allUsage() {
		if u.queries[of] == nil {
			warnings = append(warnings, "resourceRules."+of.resource+"."+of.field()+" is missing: metrics.k8s.io has no "+of.resource+" of "+of.object)
		}
	}
	return warnings
}

func (of usageOf) field() string {
	if of.object == "nodes" {
		return "nodeQuery"
	}
	return "containerQuery"
}

func compileUsage(raw rawUsage, sources *sources, parser parser.Parser, p *problems) *Usage {
	u := &Usage{queries: map[usageOf]*Rule{}}
	if w := raw.window; w.line != 0 {
		d, err := model.ParseDuration(w.value)
		if err != nil || d <= 0 {
			p.add(raw.path+".window", w.line, "%q is no duration: give one such as 5m, the range of the CPU queries", clip(w.value))
		}
		u.Window = time.Duration(d)
	}
	u.compile(metric.CPU, raw.cpu, sources, parser, p)
	u.compile(metric.Memory, raw.memory, sources, parser, p)
	if len(u.queries) == 0 && p.count() == 0 {
		p.add(raw.path, raw.line, "has no query: give cpu and memory a containerQuery and a nodeQuery, or remove it")
	}
	return u
}

// compile compiles the queries of one resource that there are.
func (u *Usage) compile(resource string, raw rawResource, sources *sources, parser parser.Parser, p *problems) {
	association, source := compileAssociation(raw.resources, p), sources.use(raw.path, raw.source, p)
	add := func(object string, query text) *Rule {
		of := usageOf{resource, object}
		u.queries[of] = &Rule{id: raw.path + "." + of.field(), source: source, usage: true, parser: parser, association: association,
			content: raw.content(resource+"."+of.field(), query)}
		return u.queries[of]
	}
	if strings.TrimSpace(raw.containerQuery.value) != "" {
		r := add("pods", raw.containerQuery)
		r.compileContainer(raw, p)
		r.needs("namespaces", "namespace", raw.resources, p)
		r.compileUsage(raw.containerQuery, r.needs("pods", "pod", raw.resources, p), p)
	}
	if strings.TrimSpace(raw.nodeQuery.value) != "" {
		r := add("nodes", raw.nodeQuery)
		r.compileUsage(raw.nodeQuery, r.needs("nodes", "node", raw.resources, p), p)
	}
}

// compileUsage compiles the query for objects that have this label.
func (r *Rule) compileUsage(query text, label string, p *problems) {
	before := p.count()
	r.compileTemplate(query, p)
	if label == "" || p.count() > before {
		return
	}
	if err := r.tryLabel(label); err != nil {
		p.add(r.id, query.line, "%s", err)
	}
}

func (r *Rule) compileContainer(raw rawResource, p *problems) {
	r.container = strings.TrimSpace(raw.containers.value)
	switch {
	case r.container == "":
		p.add(raw.path+".containerLabel", raw.line, "is missing: name the label that has the container's name, which is usually container")
	case !validLabel(r.container):
		p.add(raw.path+".containerLabel", raw.containers.line, "%q is not a label name", clip(r.container))
	case r.container == r.association.coreLabel("pod"), r.container == r.association.coreLabel("namespace"):
		p.add(raw.path+".containerLabel", raw.containers.line, "%q is the label of another resource, and tells no containers apart", r.container)
	}
}

// needs returns the label for a resource that a query cannot do without.
func (r *Rule) needs(plural, singular string, at rawResources, p *problems) string {
	label := r.association.coreLabel(singular)
	if label == "" {
		p.add(at.path, at.line, "gives no label for %s: add overrides %s: {resource: %s}", plural, singular, singular)
	}
	return label
}
