// Package wanted decides which of the series that pods export are kept: those that answer
// for what somebody wants. The rest is dropped when it is scraped, before it costs memory.
// What is wanted for one namespace alone is kept of the pods of that, and of no others.
//
// It is pure: rules and metrics in, a filter out.
package wanted

import (
	"maps"
	"slices"
	"strconv"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Bounds of the expressions of a filter, in bytes. Beyond maxPattern, which is that of some
// thousand metrics, matching costs more than keeping. maxPatterns is for those of all
// namespaces together, of which equal ones count once.
const (
	maxPattern  = 256 << 10
	maxPatterns = 16 * maxPattern
)

// Filter chooses series by their names. The zero value keeps none.
type Filter struct {
	everybodys *names            // of targets that speak for whomever they like
	anywhere   *names            // of the pods of all namespaces
	within     map[string]*names // and besides of those of one
}

// Everything keeps all series.
func Everything() Filter { return Filter{everybodys: everyName(), anywhere: everyName()} }

// Want is as much of an identifier as decides which series are kept for it.
type Want struct {
	api    metric.API
	metric string
	// resource is that of usage, of which the rules are by it.
	resource string
	// namespace is that of the series, where a rule goes by that; empty for any.
	namespace string
}

// WantOf is that of an identifier.
func WantOf(id metric.Identifier) Want {
	w := Want{api: id.API, metric: id.Metric, namespace: id.Namespace}
	if id.API == metric.Resource {
		w.resource = id.Resource.String()
	}
	if id.API.OfObjects() && id.Resource.Group == "" && id.Resource.Resource == "namespaces" {
		w.namespace = id.Name // if it has one; of several it is any
	}
	return w
}

// Maker makes filters, one after the other. It remembers what rules and queries look at, for
// to try a rule out costs more than all else. The zero value is usable, by one goroutine.
type Maker struct {
	rules   *rule.Set
	metrics map[Want]look // without namespaces
	queries map[string]look
}

// look is what something looks at.
type look struct {
	names     rule.Names
	namespace string // of a query
	ok        bool
}

// Of returns the filter for what is wanted of a source that has no name: metrics by the
// rules that may give them, and queries in PromQL. It keeps all series where a rule or a
// query is too general to tell what it looks at.
func (m *Maker) Of(rules *rule.Set, ids []metric.Identifier, queries []string) Filter {
	if rules != m.rules {
		m.rules, m.metrics = rules, nil
	}
	var all collection
	places := map[Want]int{}
	seen := map[Want]bool{}
	metrics, texts := map[Want]look{}, make(map[string]look, len(queries))
	for _, id := range ids {
		w := WantOf(id)
		if seen[w] {
			continue
		}
		seen[w] = true
		namespace := w.namespace
		w.namespace = ""
		place, ok := places[w]
		if !ok {
			l, known := m.metrics[w]
			if !known {
				l.names, l.ok = namesOf(rules, id)
			}
			metrics[w] = l
			place = all.add(l)
			places[w] = place
		}
		all.want(place, namespace)
	}
	for _, query := range queries {
		l, known := m.queries[query]
		if !known {
			l.names, l.namespace, l.ok = rule.NamesIn(query)
		}
		texts[query] = l
		all.want(all.add(l), l.namespace)
	}
	m.metrics, m.queries = metrics, texts
	return all.filter()
}

// namesOf are the names of series that are looked at for a metric.
func namesOf(rules *rule.Set, id metric.Identifier) (all rule.Names, ok bool) {
	for _, r := range of(rules, id) {
		if r.Source() != "" {
			continue // another source is asked
		}
		names, ok := r.Names(id.Metric)
		if !ok {
			return rule.Names{}, false
		}
		all.Within, all.Anywhere = append(all.Within, names.Within...), append(all.Anywhere, names.Anywhere...)
	}
	return all, true
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

// collection is what is wanted, by namespace. Of thousands of namespaces that want the same
// it has that once.
type collection struct {
	everything bool
	looks      [][]string // what is looked for within a namespace, for each thing that is wanted
	anywhere   []string
	within     map[string][]int // in looks, by namespace
}

// add adds something that is looked at, and returns its place.
func (c *collection) add(l look) int {
	c.everything = c.everything || !l.ok
	c.anywhere = append(c.anywhere, l.names.Anywhere...)
	c.looks = append(c.looks, l.names.Within)
	return len(c.looks) - 1
}

// want notes that what has this place is wanted for a namespace; empty for any.
func (c *collection) want(place int, namespace string) {
	switch {
	case len(c.looks[place]) == 0:
	case namespace == "":
		c.anywhere = append(c.anywhere, c.looks[place]...)
	default:
		if c.within == nil {
			c.within = map[string][]int{}
		}
		c.within[namespace] = append(c.within[namespace], place)
	}
}

func (c *collection) filter() Filter {
	if c.everything {
		return Everything()
	}
	f := Filter{anywhere: namesLike(c.anywhere)}
	everybodys := slices.Clone(c.anywhere)
	sets := map[string]*names{} // by the places
	texts := map[string]*names{}
	for _, namespace := range slices.Sorted(maps.Keys(c.within)) {
		places := c.within[namespace]
		slices.Sort(places)
		key := keyOf(places)
		n := sets[key]
		if n == nil {
			var patterns []string
			for _, place := range places {
				patterns = append(patterns, c.looks[place]...)
			}
			everybodys = append(everybodys, patterns...)
			n = namesLike(patterns)
			if same := texts[n.pattern]; same != nil {
				n = same
			}
			sets[key], texts[n.pattern] = n, n
		}
		if f.within == nil {
			f.within = map[string]*names{}
		}
		f.within[namespace] = n
	}
	f.bound(slices.Collect(maps.Values(texts)))
	f.everybodys = namesLike(everybodys)
	return f
}

// keyOf is a text of numbers, equal for equal ones.
func keyOf(places []int) string {
	var b []byte
	for _, place := range places {
		b = append(strconv.AppendInt(b, int64(place), 36), ' ')
	}
	return string(b)
}

// bound has those namespaces keep all of their own pods' series that have the longest
// expressions, until the rest is short enough: whoever wants most pays for it himself.
func (f *Filter) bound(distinct []*names) {
	total := 0
	slices.SortFunc(distinct, func(a, b *names) int { return len(a.pattern) - len(b.pattern) })
	for _, n := range distinct {
		if total += len(n.pattern); total > maxPatterns {
			*n = names{all: true, pattern: anyName}
		}
	}
}

// All says whether the filter keeps all series of whoever speaks for others.
func (f Filter) All() bool { return f.everybodys.everyName() }

// AllWithin says whether it keeps all series of the pods of a namespace or, if that is empty, of
// whoever speaks for others.
func (f Filter) AllWithin(namespace string) bool {
	return f.All() && (namespace == "" || f.anywhere.everyName() || f.within[namespace].everyName())
}

// Keep says whether a series of this name is kept of a target that speaks for others, of
// whatever namespace: all that is wanted for anybody.
func (f Filter) Keep(name string) bool { return f.everybodys.keep(name) }

// Within returns what says whether a series of this name is kept of pods of a namespace, which
// speak for themselves.
func (f Filter) Within(namespace string) (keep func(name string) bool) {
	anywhere, within := f.anywhere, f.within[namespace]
	return func(name string) bool { return anywhere.keep(name) || within.keep(name) }
}

// String is Keep as a regular expression of whole names.
func (f Filter) String() string { return f.everybodys.text() }

// Same says whether two filters are written alike, and so keep the same.
func (f Filter) Same(other Filter) bool {
	return f.everybodys.text() == other.everybodys.text() && f.anywhere.text() == other.anywhere.text() &&
		maps.EqualFunc(f.within, other.within, func(a, b *names) bool { return a.pattern == b.pattern })
}
