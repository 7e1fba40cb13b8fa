package query

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// policy is what is kept of an AutoscalingPolicy.
type policy struct {
	name    string
	created time.Time
	queries []named
}

// named is one query of a policy.
type named struct{ name, expr string }

func policyOf(p *v1alpha1.AutoscalingPolicy) policy {
	kept := policy{name: p.Name, created: p.CreationTimestamp.Time}
	for _, o := range p.Spec.Objectives {
		if o.Query != nil {
			kept.queries = append(kept.queries, named{o.Query.Name, o.Query.Expr})
		}
	}
	return kept
}

func (p policy) empty() bool { return len(p.queries) == 0 }

func (p policy) equal(q policy) bool {
	return p.name == q.name && p.created.Equal(q.created) && slices.Equal(p.queries, q.queries)
}

// has says whether a query of this name is among them.
func (p policy) has(query string) bool {
	return slices.ContainsFunc(p.queries, func(q named) bool { return q.name == query })
}

// names counts the names of its queries.
func (p policy) names() (n int) {
	for i, q := range p.queries {
		if !slices.ContainsFunc(p.queries[:i], func(before named) bool { return before.name == q.name }) {
			n++
		}
	}
	return n
}

// policies are those of one namespace that have queries.
type policies struct {
	byName map[string]policy
	byAge  []policy
}

// older is the order in which queries are admitted: the same in every replica, and
// such that a new policy takes nothing from an old one.
func older(a, b policy) int {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.name, b.name))
}

func policiesOf(byName map[string]policy) *policies {
	return &policies{byName: byName, byAge: slices.SortedFunc(maps.Values(byName), older)}
}

// set puts a policy in the place of the one of its name, or takes that away.
func (p *policies) set(name string, now policy) {
	if before, known := p.byName[name]; known {
		if i, found := slices.BinarySearchFunc(p.byAge, before, older); found {
			p.byAge = slices.Delete(p.byAge, i, i+1)
		}
		delete(p.byName, name)
	}
	if now.empty() {
		return
	}
	i, _ := slices.BinarySearchFunc(p.byAge, now, older)
	p.byAge = slices.Insert(p.byAge, i, now)
	p.byName[name] = now
}
