package query

import (
	"github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
)

// renderer is a query that is the same for every read.
type renderer struct{ compiled query.Compiled }

var _ plan.Renderer = (*renderer)(nil)

// ID is one for all queries: it becomes a label of our own metrics, and the names of
// policies are their owners' to choose.
func (*renderer) ID() string { return "policies" }

// Query returns the query. A read with a selector would get what it did not ask for,
// so it gets an error.
func (r *renderer) Query(_ rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	if in.Selector != nil && !in.Selector.Empty() {
		return rule.Query{}, metric.Errorf(metric.Invalid, "the query of an AutoscalingPolicy is read without a selector: put %q into its expression", in.Selector)
	}
	return rule.Query{
		PromQL: r.compiled.PromQL, Instant: r.compiled.Instant, Range: r.compiled.Range, Window: r.compiled.Window, MaxSeries: 1,
	}, nil
}
