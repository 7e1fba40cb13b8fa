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

// byAge is the order in which queries are admitted: the same in every replica, and
// such that a new policy takes nothing from an old one.
func byAge(policies map[string]policy) []policy {
	return slices.SortedFunc(maps.Values(policies), func(a, b policy) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.name, b.name))
	})
}
