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

	"github.com/loadline/loadline/provider/metric"
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
	// missed is when a discovery first went without it; zero while it is found.
	missed time.Time
}

// Missed is when a discovery first went without it; zero while it is found.
func (e Entry) Missed() time.Time { return e.missed }

// Scopes is the part of a REST mapper that the catalog needs.
type Scopes interface {
	rule.Mapper
	Namespaced(schema.GroupResource) (bool, error)
}

// finding is what is known of the series of one rule.
type finding struct {
	rule *rule.Rule
	from *origin
	// series are the newest that the source gave, and offers what the rule makes of
	// them. Both outlive a discovery that fails.
	series   []source.Series
	offers   []offer
	problems map[string][]string // what keeps the rule from giving a metric, by the metric's name

	tried    bool  // there was a discovery
	answered bool  // the source has answered one, if only with a refusal
	err      error // of the newest discovery; before the first that it was not made
}

// offer is one metric that a rule makes of its series.
type offer struct {
	name  Name
	entry Entry
}

// resolve makes the offers of f from its series. What is offered later wins.
func (f *finding) resolve(scopes Scopes) {
	f.offers, f.problems = nil, map[string][]string{}
	for _, s := range slices.SortedFunc(slices.Values(f.series), func(a, b source.Series) int { return cmp.Compare(b.Name, a.Name) }) {
		f.add(s, scopes)
	}
	if name := f.rule.EmptySeries(); name != "" && len(f.offers) == 0 {
		f.add(source.Series{Name: name}, scopes)
	}
}

func (f *finding) add(series source.Series, scopes Scopes) {
	r := f.rule
	name, ok := r.MetricName(series.Name)
	if !ok {
		return
	}
	entry := Entry{Rule: r, Series: series.Name}
	if r.External() && strings.HasPrefix(name, metric.QueryPrefix) {
		f.problems[name] = append(f.problems[name], fmt.Sprintf("%s: gives the metric name %s from the series %s, but names that begin with %s are those of policies' queries: choose another name.as", r.ID(), name, series.Name, metric.QueryPrefix))
		return
	}
	if r.External() {
		f.offers = append(f.offers, offer{Name{Metric: name}, entry})
		return
	}
	objects, err := r.Objects(scopes, series.Labels)
	if err != nil {
		// Its lines begin with the place in the file.
		f.problems[name] = append(f.problems[name], strings.Split(err.Error(), "\n")...)
	}
	inNamespace := slices.ContainsFunc(objects, func(o rule.Object) bool { return isNamespaces(o.Resource) })
	for _, o := range objects {
		namespaced, err := scopes.Namespaced(o.Resource)
		if err != nil {
			f.problems[name] = append(f.problems[name], fmt.Sprintf("%s: the scope of %s: %v", r.ID(), o.Resource, err))
			continue
		}
		// An object in a namespace is not told apart by its name alone.
		if namespaced && !inNamespace {
			continue
		}
		entry.Namespaced = namespaced
		f.offers = append(f.offers, offer{Name{Resource: o.Resource, Metric: name}, entry})
	}
}

// snapshot is one immutable state of the catalog.
type snapshot struct {
	custom    map[Name]Entry
	external  map[string]Entry
	conflicts []string // one line each, sorted
	// problems are what keeps a rule from giving a metric, by the metric's name:
	// above all resources that cannot be looked up. One line each, sorted.
	problems map[string][]string

	failures map[*rule.Rule]error // why the series of a rule are not known, or not newly

	sources  map[string]*tally // by name
	trouble  error             // of the first rule whose series are not known, or not newly
	replaced chan struct{}
}

// build makes the next snapshot. A rule whose discovery failed, or lacks a part, keeps the
// names it had, and a name that was not found stays for grace after the first discovery
// without it, so that neither an outage nor a restarted exporter takes names away, nor a
// source that comes back from an outage with nothing.
//
// Where two rules or series give one name, the later rule and then the first
// series wins, as with prometheus-adapter; unlike there it is reported.
//
// What an earlier set of rules gave stays, under names that these do not give, only as
// long as it is not known what they give, and for grace at most.
func build(prev *snapshot, findings []*finding, now time.Time, grace time.Duration) *snapshot {
	next := &snapshot{sources: map[string]*tally{}, failures: map[*rule.Rule]error{}, custom: map[Name]Entry{}, external: map[string]Entry{}, problems: map[string][]string{}, replaced: make(chan struct{})}
	failed, rank := map[*rule.Rule]bool{}, map[*rule.Rule]int{}
	for i, f := range findings {
		rank[f.rule] = i
		failed[f.rule] = f.err != nil
		if f.err != nil {
			next.failures[f.rule] = f.err
		}
		next.count(f)
		for _, o := range f.offers {
			next.add(o)
		}
		for name, lines := range f.problems {
			next.problems[name] = append(next.problems[name], lines...)
		}
	}
	if prev != nil {
		fading := func(old Entry) (Entry, bool) {
			if old.missed.IsZero() {
				old.missed = now
			}
			return old, now.Sub(old.missed) <= grace
		}
		// What a failed rule gave also goes on hiding what earlier rules give, and what
		// else it gives itself: a metric must not change its meaning because one
		// discovery failed.
		keep := func(old, found Entry) (Entry, bool) {
			_, present := rank[old.Rule]
			switch {
			case present && failed[old.Rule]:
				return old, found.Rule == nil || rank[old.Rule] >= rank[found.Rule]
			case found.Rule != nil, !present && next.trouble == nil:
				return old, false
			}
			return fading(old)
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

// of looks a metric up that is discovered.
func (s *snapshot) of(id metric.Identifier) (Entry, bool) {
	if id.API == metric.Custom {
		e, ok := s.custom[Name{Resource: id.Resource, Metric: id.Metric}]
		return e, ok
	}
	e, ok := s.external[id.Metric]
	return e, ok
}

func (s *snapshot) count(f *finding) {
	of := s.sources[f.rule.Source()]
	if of == nil {
		of = &tally{}
		s.sources[f.rule.Source()] = of
	}
	of.count(f)
	if s.trouble == nil && f.err != nil {
		s.trouble = fmt.Errorf("%s: %w", f.rule.ID(), f.err)
	}
}

func (s *snapshot) add(o offer) {
	if o.entry.Rule.External() {
		if old, taken := s.external[o.name.Metric]; taken {
			s.conflict("external metric "+o.name.Metric, old, o.entry)
		}
		s.external[o.name.Metric] = o.entry
		return
	}
	if old, taken := s.custom[o.name]; taken {
		s.conflict(fmt.Sprintf("metric %s for %s", o.name.Metric, o.name.Resource), old, o.entry)
	}
	s.custom[o.name] = o.entry
}

func (s *snapshot) conflict(what string, old, used Entry) {
	if old.Rule == used.Rule && !used.Rule.UsesSeries() {
		return // whichever it is, the query is the same
	}
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
func carry[K comparable](next, prev map[K]Entry, keep func(old, found Entry) (Entry, bool)) {
	for k, old := range prev {
		if kept, ok := keep(old, next[k]); ok {
			next[k] = kept
		}
	}
}

func isNamespaces(gr schema.GroupResource) bool {
	return gr.Group == "" && gr.Resource == "namespaces"
}
