// Package wanted decides which of the series that pods export are kept: those that answer
// for what somebody wants. The rest is dropped when it is scraped, before it costs memory.
//
// It is pure: rules and metrics in, a filter out.
package wanted

import (
	"regexp"
	"slices"
	"strings"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// maxPattern bounds the filter's expression, in bytes: beyond it, which is that of some
// thousand metrics, matching costs more than keeping.
const maxPattern = 256 << 10

// Filter chooses series by their names. The zero value keeps none.
type Filter struct {
	everything bool
	pattern    string // empty: none
	compiled   *regexp.Regexp
}

// Everything keeps all series.
func Everything() Filter { return Filter{everything: true, pattern: ".*"} }

// Of returns the filter for what is wanted of a source that has no name: metrics by the
// rules that may give them, and queries in PromQL. It keeps all series where a rule or a
// query is too general to tell what it looks at.
func Of(rules *rule.Set, ids []metric.Identifier, queries []string) Filter {
	var all []string
	type name struct {
		api    metric.API
		metric string
	}
	seen := map[name]bool{}
	for _, id := range ids {
		n := name{id.API, id.Metric}
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, r := range of(rules, id) {
			if r.Source() != "" {
				continue // another source is asked
			}
			patterns, ok := r.Names(id.Metric)
			if !ok {
				return Everything()
			}
			all = append(all, patterns...)
		}
	}
	for _, query := range queries {
		patterns, ok := rule.NamesIn(query)
		if !ok {
			return Everything()
		}
		all = append(all, patterns...)
	}
	return anyOf(all)
}

// of are the rules that may give a metric.
func of(rules *rule.Set, id metric.Identifier) []*rule.Rule {
	switch id.API {
	case metric.Custom:
		return rules.Custom
	case metric.External:
		return rules.External
	}
	var usage []*rule.Rule
	for _, resource := range []string{metric.CPU, metric.Memory} {
		if r, ok := rules.Usage.Rule(resource, id.Resource); ok && resource == id.Metric {
			usage = append(usage, r)
		}
	}
	return usage
}

// anyOf is a filter of what has one of the patterns.
func anyOf(patterns []string) Filter {
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	if len(patterns) == 0 {
		return Filter{}
	}
	if slices.Contains(patterns, ".*") || slices.Contains(patterns, ".+") {
		return Everything()
	}
	for i, p := range patterns {
		if regexp.QuoteMeta(p) != p { // a name needs no group
			patterns[i] = "(?:" + p + ")"
		}
	}
	f := Filter{pattern: strings.Join(patterns, "|")}
	if len(f.pattern) > maxPattern {
		return Everything()
	}
	compiled, err := regexp.Compile("^(?s:" + f.pattern + ")$")
	if err != nil { // it was put together of expressions that compile
		return Everything()
	}
	f.compiled = compiled
	return f
}

// All says whether the filter keeps all series.
func (f Filter) All() bool { return f.everything }

// Keep says whether a series of this name is kept.
func (f Filter) Keep(name string) bool {
	return f.everything || f.compiled != nil && f.compiled.MatchString(name)
}

// Pattern is the filter as a regular expression that matches whole names of what is kept.
// It is empty, and so matches no name, where nothing is.
func (f Filter) Pattern() string { return f.pattern }

// Same says whether two filters are written alike, and so keep the same.
func (f Filter) Same(other Filter) bool { return f.pattern == other.pattern }
