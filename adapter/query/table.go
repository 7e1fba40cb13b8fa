// Package query serves the PromQL queries of AutoscalingPolicies as external metrics,
// each to its own namespace under its own name. It follows the policies itself and
// takes nobody's word for what a query may read.
package query

import (
	"slices"
	"strings"
	"sync"

	"github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
)

// Table has the compiled queries of all policies. It is safe for concurrent use.
type Table struct {
	settings query.Settings
	changed  func([]metric.Identifier)
	serves   func(promQL string) error
	refused  *metric.Error // why no query is served; nil if they are

	mu       sync.RWMutex
	policies map[string]*policies        // by namespace
	entries  map[string]map[string]entry // by namespace and metric, --queries-per-namespace at most
	unknown  error                       // why what is not in entries may exist all the same; nil if it does not
}

// entry is a query that is served, or why it is not.
type entry struct {
	expr     string
	renderer *renderer
	err      error
}

// New returns a table that knows nothing yet. changed is called with the metrics of
// queries that are new or other than before, and serves says why the source does not serve
// one, such as "selects by no name"; both may be nil.
func New(s query.Settings, changed func([]metric.Identifier), serves func(promQL string) error) *Table {
	if changed == nil {
		changed = func([]metric.Identifier) {}
	}
	if serves == nil {
		serves = func(string) error { return nil }
	}
	return &Table{
		settings: s, changed: changed, serves: serves,
		policies: map[string]*policies{}, entries: map[string]map[string]entry{},
		unknown: metric.Errorf(metric.Pending, "the AutoscalingPolicies are not listed yet"),
	}
}

// Refused returns a table that serves no query, and says why.
func Refused(why *metric.Error) *Table {
	t := New(query.Defaults(), nil, nil)
	t.refused = why
	return t
}

// Query finds the query of an external metric in a namespace; ok is false for a name
// that no query of a policy can have. The error, a *metric.Error, says why a query is
// not there or is not served.
func (t *Table) Query(namespace, name string) (q plan.Renderer, ok bool, err error) {
	r, ok, err := t.find(namespace, name)
	if r == nil {
		return nil, ok, err // not a Renderer that holds nil
	}
	return r, ok, nil
}

// PromQL is Query for who only compares: it returns what is sent to the source.
func (t *Table) PromQL(namespace, name string) (promQL string, ok bool, err error) {
	r, ok, err := t.find(namespace, name)
	if r == nil {
		return "", ok, err
	}
	return r.compiled.PromQL, ok, nil
}

func (t *Table) find(namespace, name string) (*renderer, bool, error) {
	if !strings.HasPrefix(name, metric.QueryPrefix) {
		return nil, false, nil
	}
	if t.refused != nil {
		return nil, true, t.refused
	}
	if !t.settings.Enabled {
		return nil, true, metric.Errorf(metric.RuleFailed, "queries of AutoscalingPolicies are switched off (--queries=false)")
	}
	t.mu.RLock()
	e, ok := t.entries[namespace][name]
	unknown := t.unknown
	of, named, isName := query.Names(name)
	beyond := !ok && isName && t.policies[namespace] != nil && t.policies[namespace].byName[of].has(named)
	t.mu.RUnlock()
	switch {
	case ok:
		return e.renderer, true, e.err
	case beyond:
		return nil, true, metric.Errorf(metric.LimitReached, "the policies of the namespace have more than %d queries, and those of older policies come first: remove some, or ask for a higher --queries-per-namespace", t.settings.PerNamespace)
	case unknown != nil:
		return nil, true, unknown
	}
	if isName {
		return nil, true, metric.Errorf(metric.Undefined, "the namespace %q has no AutoscalingPolicy %q with a query %q", namespace, of, named)
	}
	return nil, true, metric.Errorf(metric.Undefined, "%q is not the name of a query: they are %sPOLICY.NAME", name, metric.QueryPrefix)
}

// All is the PromQL of all queries that are served, each once.
func (t *Table) All() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []string
	for _, of := range t.entries {
		for _, e := range of {
			if e.err == nil && e.renderer != nil {
				all = append(all, e.renderer.compiled.PromQL)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Stats counts the queries.
func (t *Table) Stats() (served, refused int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := 0
	for namespace, policies := range t.policies {
		for _, p := range policies.byAge {
			all += p.names()
		}
		for _, e := range t.entries[namespace] {
			if e.err == nil {
				served++
			}
		}
	}
	return served, all - served
}

// put takes over a policy as it is now, or that it is gone.
func (t *Table) put(namespace, name string, now policy) {
	if news := t.update(namespace, name, now); len(news) > 0 {
		t.changed(news)
	}
}

// update does it. Most of what happens to a policy is that its status is written.
func (t *Table) update(namespace, name string, now policy) (news []metric.Identifier) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.policies[namespace]
	if in == nil {
		in = policiesOf(map[string]policy{})
	}
	before, known := in.byName[name]
	if !known && now.empty() || known && before.equal(now) {
		return nil
	}
	in.set(name, now)
	t.policies[namespace] = in
	return t.rebuild(namespace)
}

// replace takes over all policies.
func (t *Table) replace(all map[string]map[string]policy) {
	t.mu.Lock()
	old := t.policies
	t.policies, t.unknown = make(map[string]*policies, len(all)), nil
	var news []metric.Identifier
	for namespace, byName := range all {
		t.policies[namespace] = policiesOf(byName)
		news = append(news, t.rebuild(namespace)...)
	}
	for namespace := range old {
		if all[namespace] == nil {
			t.rebuild(namespace)
		}
	}
	t.mu.Unlock()
	if len(news) > 0 {
		t.changed(news)
	}
}

// lost says why the policies cannot be followed any more. Those that are known stay,
// unless they are gone.
func (t *Table) lost(why error, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unknown = why
	if gone {
		t.policies, t.entries = map[string]*policies{}, map[string]map[string]entry{}
	}
}

// rebuild makes the entries of a namespace from its oldest policies: no more than are
// served, for whoever makes a policy of many must not make the others wait. It returns
// what is new in them.
func (t *Table) rebuild(namespace string) (news []metric.Identifier) {
	if t.policies[namespace] == nil || len(t.policies[namespace].byAge) == 0 {
		delete(t.policies, namespace)
		delete(t.entries, namespace)
		return nil
	}
	old, entries := t.entries[namespace], map[string]entry{}
	for _, p := range t.policies[namespace].byAge {
		if len(entries) >= t.settings.PerNamespace {
			break
		}
		for _, q := range p.queries {
			name := query.MetricName(p.name, q.name)
			if _, twice := entries[name]; twice {
				entries[name] = entry{err: metric.Errorf(metric.RuleFailed, "the AutoscalingPolicy %q has two queries %q: give them different names", p.name, q.name)}
				continue
			}
			if len(entries) >= t.settings.PerNamespace {
				continue
			}
			before, known := old[name]
			if !known || before.expr != q.expr {
				before = t.compile(namespace, p.name, q)
				news = append(news, metric.Identifier{API: metric.External, Metric: name, Namespace: namespace})
			}
			entries[name] = before
		}
	}
	t.entries[namespace] = entries
	return news
}

func (t *Table) compile(namespace, policy string, q named) entry {
	compiled, problems := t.settings.Compile(namespace, q.expr)
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Error())
	}
	if len(problems) == 0 {
		err := t.serves(compiled.PromQL)
		if err == nil {
			return entry{expr: q.expr, renderer: &renderer{compiled}}
		}
		texts = append(texts, err.Error())
	}
	return entry{expr: q.expr, err: metric.Errorf(metric.RuleFailed, "the query %q of the AutoscalingPolicy %q is refused: %s", q.name, policy, strings.Join(texts, "; "))}
}
