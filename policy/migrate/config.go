package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Config is what is said of a configuration file. Its JSON is for programs: fields are only
// ever added, and lists are never null.
type Config struct {
	// File is its name, for messages.
	File string `json:"file"`
	// Errors are why the file cannot be used. There are no Rules then.
	Errors []Problem `json:"errors"`
	// Warnings name what is accepted and has no effect.
	Warnings []string `json:"warnings"`
	Rules    []Rule   `json:"rules"`

	source *source
}

// Problem is one mistake of a file.
type Problem struct {
	// Path is the field, such as rules[3].name.matches; empty for the whole file.
	Path string `json:"path,omitempty"`
	// Line is that of the file that was given, from 1; absent where there is none.
	Line int `json:"line,omitempty"`
	// Text says what is wrong and what to do about it.
	Text string `json:"text"`
}

// Rule is what is said of one rule.
type Rule struct {
	// ID is its place in the file, such as rules[3] or resourceRules.cpu.nodeQuery.
	ID string `json:"id"`
	// Line is where it begins in the file that was given, from 1.
	Line int `json:"line"`
	// API is the group that serves its metrics.
	API string `json:"api"`
	// Metric is the name of its metric; absent where that depends on the series there are.
	Metric string `json:"metric,omitempty"`
	// Serves is what it serves, in words.
	Serves string `json:"serves"`
	// Reads are what is asked of the source, for each kind of objects; of one kind for rules
	// whose template fits any.
	Reads []Read `json:"reads"`
	// Differences are those from prometheus-adapter, on purpose, that concern this rule.
	Differences []Difference `json:"differences"`
}

// Read is what is asked of the source for one kind of objects.
type Read struct {
	// Objects is the kind, such as pods; absent for external metrics.
	Objects string `json:"objects,omitempty"`
	// Shared: one query answers for many namespaces, objects and selectors, which the syntax
	// tree proves to be the same.
	Shared bool `json:"shared"`
	// Alone is why each read is a query of its own; absent for what is Shared.
	Alone string `json:"alone,omitempty"`
	// PromQL is what is sent for two reads that are Shared, or for one that is not; the objects
	// x and y in the namespaces a and b stand for others.
	PromQL string `json:"promQL,omitempty"`

	// tells are the labels by which objects, and their containers, are told apart.
	tells []string
}

// Difference is one from prometheus-adapter.
type Difference struct {
	// ID never changes.
	ID   string `json:"id"`
	Text string `json:"text"`
}

// ReadConfig compiles a configuration as loadline-adapter does, from its file or from the
// manifest of a ConfigMap that has it. The error says why there is none in data.
func ReadConfig(file string, data []byte) (*Config, error) {
	c := &Config{File: file, Errors: []Problem{}, Warnings: []string{}, Rules: []Rule{}}
	var err error
	if c.source, err = find(data); err != nil {
		return nil, err
	}
	set, err := rule.Compile([]byte(c.source.text))
	if err != nil {
		c.Errors = c.problems(err)
		return c, nil
	}
	c.Warnings = append(c.Warnings, set.Warnings...)
	lines := linesOf(c.source.text)
	for _, r := range set.All() {
		c.Rules = append(c.Rules, c.rule(r, lines))
	}
	for _, resource := range []string{metric.CPU, metric.Memory} {
		for _, objects := range []string{"pods", "nodes"} {
			if r, ok := set.Usage.Rule(resource, schema.GroupResource{Resource: objects}); ok {
				c.Rules = append(c.Rules, c.usage(r, resource, objects, lines))
			}
		}
	}
	return c, nil
}

// problems are the mistakes that an error joins.
func (c *Config) problems(err error) (all []Problem) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []Problem{{Text: err.Error()}}
	}
	for _, one := range joined.Unwrap() {
		p := Problem{Text: one.Error()}
		if known, ok := errors.AsType[*rule.Problem](one); ok {
			p = Problem{Path: known.Path, Text: known.Text}
			if known.Line > 0 {
				p.Line = c.source.line(known.Line)
			}
		}
		all = append(all, p)
	}
	return all
}

func (c *Config) rule(r *rule.Rule, lines map[string]int) Rule {
	d := r.Describe()
	out := Rule{ID: r.ID(), Line: c.source.line(lines[r.ID()]), API: "custom.metrics.k8s.io", Metric: d.Metric, Reads: []Read{}, Differences: []Difference{}}
	if r.External() {
		out.API = "external.metrics.k8s.io"
	}
	out.Serves = serves(r, d)
	if r.External() {
		out.Reads = append(out.Reads, readOf(r, d, "", metric.External))
	} else {
		for _, gr := range kinds(d) {
			out.Reads = append(out.Reads, readOf(r, d, gr, metric.Custom))
		}
	}
	out.Differences = append(out.Differences, differences(r, d, out.Reads)...)
	return out
}

func (c *Config) usage(r *rule.Rule, resource, objects string, lines map[string]int) Rule {
	of := "each container of pods"
	if objects == "nodes" {
		of = "nodes"
	}
	out := Rule{ID: r.ID(), Line: c.source.line(lines[r.ID()]), API: "metrics.k8s.io", Metric: resource, Serves: resource + " of " + of}
	out.Reads = []Read{readUsage(r, resource, objects)}
	out.Differences = append([]Difference{}, usageDifferences(r, resource, objects, out.Reads)...)
	return out
}

// serves says in words what a rule serves.
func serves(r *rule.Rule, d rule.Description) string {
	name := d.Metric
	switch {
	case d.Series != "" && d.Metric == "":
		return fmt.Sprintf("nothing: its filters and name.matches leave no name for %s", d.Series)
	case name == "" && d.Matches == ".*" && (d.As == "$0" || d.As == "${0}"):
		name = "each series that seriesQuery and seriesFilters leave, by its own name,"
	case name == "":
		name = fmt.Sprintf("each series that seriesQuery and seriesFilters leave, as %s of %s,", d.As, d.Matches)
	}
	if r.External() {
		if r.Namespaced() {
			return strings.TrimSuffix(name, ",") + ", in each namespace its own series"
		}
		return strings.TrimSuffix(name, ",") + ", the same in all namespaces"
	}
	var of []string
	for _, l := range d.Labels {
		of = append(of, l.Resource.String())
	}
	if d.Template != "" {
		of = append(of, "any kind that a label names by "+d.Template)
	}
	return strings.TrimSuffix(name, ",") + " of " + strings.Join(of, ", ")
}

// kinds are those of the objects of a custom rule; pods for a template, which fits any.
func kinds(d rule.Description) (out []string) {
	for _, l := range d.Labels {
		gr := l.Resource
		if normal, err := offline().ResourceFor(gr.WithVersion("")); err == nil {
			gr = normal.GroupResource()
		}
		out = append(out, gr.String())
	}
	if d.Template != "" && !slices.Contains(out, "pods") {
		out = append(out, "pods")
	}
	return out
}
