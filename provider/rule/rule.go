package rule

import (
	"slices"
	"strconv"
	"strings"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/endpoint"
)

// Set is a compiled configuration file.
type Set struct {
	// Custom are the rules of custom.metrics.k8s.io, External those of
	// external.metrics.k8s.io, in the order of the file.
	Custom, External []*Rule
	// Usage are the rules of metrics.k8s.io; nil if the file has no section resourceRules.
	Usage *Usage
	// Sources are those that rules may name, in the order of the file.
	Sources []Source
	// Exporters are those of the section exporters, in the order of the file.
	Exporters []endpoint.Exporter
	// Ruleless: the file has no section of rules, not even an empty one.
	Ruleless bool
	// Warnings name what is accepted but has no effect.
	Warnings []string
}

// All are the rules of both APIs, the custom ones first.
func (s *Set) All() []*Rule { return slices.Concat(s.Custom, s.External) }

// Unsourced is the place of a rule that names no source, so that there has to be one without
// a name; empty if each rule names one.
func (s *Set) Unsourced() string {
	for _, r := range slices.Concat(s.All(), s.Usage.all()) {
		if r.source == "" {
			return r.id
		}
	}
	return ""
}

// Rule is one compiled rule. It does not change and is safe for concurrent use.
type Rule struct {
	id          string
	source      string
	external    bool
	namespaced  bool // of external rules
	seriesQuery string
	selector    []*promlabels.Matcher
	naming      naming
	association association
	template    *textTemplate
	usesValues  bool
	empty       *float64 // what an empty answer means; nil for nothing
	usage       bool     // of resourceRules: it is about no series of its own
	container   string   // the label of containers, where the values are theirs
	parser      parser.Parser
	content     string // all that the file says of it, but not where
}

// ID is the rule's place in the file, such as rules[3], externalRules[0] or
// resourceRules.cpu.nodeQuery.
func (r *Rule) ID() string { return r.id }

// Section is that of the file in which the rule is: rules, externalRules or resourceRules.
func (r *Rule) Section() string {
	section, _, _ := strings.Cut(strings.ReplaceAll(r.id, "[", "."), ".")
	return section
}

// Index is the rule's place in its section, from 0; -1 in resourceRules, whose queries have
// names.
func (r *Rule) Index() int {
	_, rest, _ := strings.Cut(r.id, "[")
	i, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil {
		return -1
	}
	return i
}

// Template is the rule's query as the file has it.
func (r *Rule) Template() string { return r.template.text }

// queryPath is the place of its query in the file.
func (r *Rule) queryPath() string {
	if r.usage {
		return r.id
	}
	return r.id + ".metricsQuery"
}

// Source is the name of the source that is asked; empty for that of the command line.
func (r *Rule) Source() string { return r.source }

// External says whether the rule serves external metrics.
func (r *Rule) External() bool { return r.external }

// Namespaced says, of an external rule, that a read sees its own namespace only.
func (r *Rule) Namespaced() bool { return r.namespaced }

// SeriesSelector is the rule's seriesQuery as configured, a valid series selector.
func (r *Rule) SeriesSelector() string { return r.seriesQuery }

// MetricName returns the API's name for a series, and false if the rule does not
// serve it: a filter excludes it, the pattern does not match, or the name could
// not stand in a query or an API path.
func (r *Rule) MetricName(series string) (string, bool) { return r.naming.metricName(series) }

// UsesSeries says whether the rule's query depends on the series by which its metric was
// found. One that does not answers alike for all of them.
func (r *Rule) UsesSeries() bool { return strings.Contains(r.template.parsed.Root.String(), ".Series") }

// Objects returns the kinds of objects that a series with these labels describes,
// ordered by resource. What could not be looked up is in the error; the objects
// returned with an error are right all the same. Whether a kind is namespaced is
// the cluster's to say, not the rule's.
func (r *Rule) Objects(m Mapper, labelNames []string) ([]Object, error) {
	return r.association.objects(m, labelNames)
}

// EmptySeries is the name of the series that the rule answers about even if the source has
// none, for it says what that means (emptyValue); empty for other rules.
func (r *Rule) EmptySeries() string {
	if r.empty == nil {
		return ""
	}
	return r.namedSeries()
}
