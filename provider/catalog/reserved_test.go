package catalog

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// depth is a source with the one series depth.
type depth struct{}

func (depth) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	return []source.Series{{Name: "depth"}}, nil
}

// TestReservedNames: no rule can give a metric the name of a policy's query.
func TestReservedNames(t *testing.T) {
	set, err := rule.Compile([]byte(`
externalRules:
- {seriesQuery: depth, name: {as: "loadline-query.web.lag"}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>)'}
- {seriesQuery: depth, name: {as: "loadline-queries"}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>)'}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Rules: set, Source: depth{}, Scopes: newCluster(), MaxAge: grace, Now: time.Now})
	c.Relist(t.Context())
	if _, ok := c.External("loadline-query.web.lag"); ok {
		t.Error("a rule gives a query's name")
	}
	if _, ok := c.External("loadline-queries"); !ok {
		t.Error("a name that only looks like one is refused")
	}
	want := []string{"externalRules[0]: gives the metric name loadline-query.web.lag from the series depth, but names that begin with loadline-query. are those of policies' queries: choose another name.as"}
	if diff := cmp.Diff(want, c.current.Load().lines()); diff != "" {
		t.Error(diff)
	}
}
