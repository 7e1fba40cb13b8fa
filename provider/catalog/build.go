// Package catalog knows which metrics exist: for every API name, the rule that
// serves it and the series that the source holds for it.
package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// Name is how a metric is asked for.
type Name struct {
	Resource schema.GroupResource // zero for external metrics
	Metric   string
}

// Entry is how a metric is answered.
type Entry struct {
	Rule   *rule.Rule
	Series string
	// Namespaced: the described objects live in namespaces (custom metrics).
	Namespaced bool
	seen       time.Time
}

// Scopes is the part of a REST mapper that the catalog needs.
type Scopes interface {
	rule.Mapper
	Namespaced(schema.GroupResource) (bool, error)
}

// finding is what one discovery call for a rule gave.
type finding struct {
	rule   *rule.Rule
	series []source.Series
	err    error
}

// snapshot is one immutable state of the catalog.
type snapshot struct {
	custom    map[Name]Entry
	external  map[string]Entry
	conflicts []string // one line each, sorted
	// problems are what keeps a rule from giving a metric, by the metric's name:
	// above all resources that cannot be looked up. One line each, sorted.
	problems map[string][]string
}

// build makes the next snapshot. A rule whose discovery failed keeps the names
// it had, and a name that was not found stays for grace after it was last seen,
// so that neither an outage nor a restarted exporter takes names away.
//
// Where two rules or series give one name, the later rule and then the first
// series wins, as with prometheus-adapter; unlike there it is reported.
func build(prev *snapshot, findings []finding, scopes Scopes, now time.Time, grace time.Duration) *snapshot {
	next := &snapshot{custom: map[Name]Entry{}, external: map[string]Entry{}, problems: map[string][]string{}}
	failed, rank := map[string]bool{}, map[string]int{}
	for i, f := range findings {
		rank[f.rule.ID()] = i
		if f.err != nil {
			failed[f.rule.ID()] = true
			continue
		}
		series := slices.SortedFunc(slices.Values(f.series), func(a, b source.Series) int { return cmp.Compare(b.Name, a.Name) })
		for _, s := range series {
			next.add(f.rule, s, scopes, now)
		}
	}
	if prev != nil {
		// What a failed rule gave also goes on hiding what earlier rules give: a
		// metric must not change its meaning because one discovery failed.
		keep := func(old, found Entry) bool {
			id := old.Rule.ID()
			if found.Rule != nil {
				return failed[id] && rank[id] > rank[found.Rule.ID()]
			}
			return failed[id] || now.Sub(old.seen) <= grace
		}
		carry(next.custom, prev.custom, keep)
		carry(next.external, prev.external, keep)
	}
	slices.Sort(next.conflicts)
	for name, lines := range next.problems {
		slices.Sort(lines)
		next.problems[name] = slices.Compact(lines)
	}
	return next
}

func (s *snapshot) add(r *rule.Rule, series source.Series, scopes Scopes, now time.Time) {
	name, ok := r.MetricName(series.Name)
	if !ok {
		return
	}
	entry := Entry{Rule: r, Series: series.Name, seen: now}
	if r.External() {
		if old, taken := s.external[name]; taken {
			s.conflict("external metric "+name, old, entry)
		}
		s.external[name] = entry
		return
	}
	objects, err := r.Objects(scopes, series.Labels)
	if err != nil {
		// Its lines begin with the place in the file.
		s.problems[name] = append(s.problems[name], strings.Split(err.Error(), "\n")...)
	}
	inNamespace := slices.ContainsFunc(objects, func(o rule.Object) bool { return isNamespaces(o.Resource) })
	for _, o := range objects {
		namespaced, err := scopes.Namespaced(o.Resource)
		if err != nil {
			s.problems[name] = append(s.problems[name], fmt.Sprintf("%s: the scope of %s: %v", r.ID(), o.Resource, err))
			continue
		}
		// An object in a namespace is not told apart by its name alone.
		if namespaced && !inNamespace {
			continue
		}
		key := Name{Resource: o.Resource, Metric: name}
		entry.Namespaced = namespaced
		if old, taken := s.custom[key]; taken {
			s.conflict(fmt.Sprintf("metric %s for %s", name, o.Resource), old, entry)
		}
		s.custom[key] = entry
	}
}

func (s *snapshot) conflict(what string, old, used Entry) {
	s.conflicts = append(s.conflicts, fmt.Sprintf("%s: %s (series %s) hides %s (series %s): give one of them another name.as",
		what, used.Rule.ID(), used.Series, old.Rule.ID(), old.Series))
}

// lines are the distinct problems, sorted: one rule has the same with each series.
func (s *snapshot) lines() []string {
	all := slices.Concat(slices.Collect(maps.Values(s.problems))...)
	slices.Sort(all)
	return slices.Compact(all)
}

// carry takes over what keep chooses over what was found, which may be nothing.
func carry[K comparable](next, prev map[K]Entry, keep func(old, found Entry) bool) {
	for k, old := range prev {
		if keep(old, next[k]) {
			next[k] = old
		}
	}
}

func isNamespaces(gr schema.GroupResource) bool {
	return gr.Group == "" && gr.Resource == "namespaces"
}
