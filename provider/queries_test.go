package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// queryTable has PromQL by namespace and name; empty for one that is refused.
type queryTable map[string]string

func (q queryTable) PromQL(namespace, name string) (string, bool, error) {
	promQL, ok := q[namespace+"/"+name]
	switch {
	case !strings.HasPrefix(name, metric.QueryPrefix):
		return "", false, nil
	case !ok:
		return "", true, metric.Errorf(metric.Undefined, "no such query")
	case promQL == "":
		return "", true, metric.Errorf(metric.RuleFailed, "refused: too wide")
	}
	return promQL, true, nil
}

// TestQueries: a policy's query is served to its namespace alone, and never with the
// value of another expression.
func TestQueries(t *testing.T) {
	const name = "loadline-query.web.lag"
	id := metric.Identifier{API: metric.External, Metric: name, Namespace: "a"}
	stored := func(promQL string) *store.Data {
		return &store.Data{Evaluated: start, PromQL: promQL, Series: []store.Value{value(3)}}
	}
	for label, test := range map[string]struct {
		namespace, metric string
		data              *store.Data
		is                func(error) bool
		want              string
		soon              int
		wanted            int
	}{
		"served":                 {"a", name, stored("sum(lag)"), nil, "", 0, 1},
		"of another expression":  {"a", name, stored("sum(old)"), apierrors.IsServiceUnavailable, "the query has changed since it was evaluated; that is under way", 1, 1},
		"without a series":       {"a", name, &store.Data{Evaluated: start, PromQL: "sum(lag)"}, apierrors.IsNotFound, "the source has no series for it (absence is not zero); asked: sum(lag)", 0, 1},
		"of another namespace":   {"b", name, stored("sum(lag)"), apierrors.IsNotFound, "no such query", 0, 0},
		"refused":                {"a", "loadline-query.web.wide", nil, apierrors.IsInternalError, "refused: too wide", 0, 0},
		"a rule's, as it was":    {"a", "depth", nil, nil, "", 0, 1},
		"nobody's":               {"a", "nothing", nil, apierrors.IsNotFound, `no external rule gives a metric "nothing" from a series that the source holds: check the rules' seriesQuery, and whether the series exists`, 0, 0},
		"a name nobody may have": {"a", "loadline-query.", nil, apierrors.IsNotFound, "no such query", 0, 0},
	} {
		t.Run(label, func(t *testing.T) {
			f := setup(t)
			f.external.Queries = queryTable{"a/" + name: "sum(lag)", "a/loadline-query.web.wide": ""}
			f.store.Succeed(queue(), stored("sum(depth)"))
			if test.data != nil {
				f.store.Succeed(id, test.data)
			}
			list, err := f.external.GetExternalMetric(t.Context(), test.namespace, everyName, cmprovider.ExternalMetricInfo{Metric: test.metric})
			switch {
			case test.is == nil && (err != nil || len(list.Items) != 1 || list.Items[0].MetricName != test.metric || list.Items[0].Value.Value() != 3):
				t.Errorf("%v, %v", list, err)
			case test.is != nil && (err == nil || !test.is(err)):
				t.Fatalf("%v, %v", list, err)
			case test.is != nil:
				if diff := cmp.Diff(test.want, err.Error()); diff != "" {
					t.Error(diff)
				}
			}
			if len(f.evaluator.soon) != test.soon || len(f.demand.Wanted()) != test.wanted {
				t.Errorf("%d evaluations asked for, %d metrics wanted", len(f.evaluator.soon), len(f.demand.Wanted()))
			}
			names, err := testutil.GatherAndCount(f.registry, "loadline_reads_total")
			if err != nil || names != 1 {
				t.Errorf("%d series, %v", names, err)
			}
		})
	}
}

// TestQueriesAreCountedTogether: the names of queries, which are their owners' to
// choose, are no label of our own metrics.
func TestQueriesAreCountedTogether(t *testing.T) {
	f := setup(t)
	f.external.Queries = queryTable{}
	for _, name := range []string{"x", "y", "z"} {
		if _, err := f.external.GetExternalMetric(t.Context(), "a", everyName, cmprovider.ExternalMetricInfo{Metric: metric.QueryPrefix + name}); err == nil {
			t.Error("served")
		}
	}
	err := testutil.GatherAndCompare(f.registry, strings.NewReader(`
# HELP loadline_reads_total Reads by API, metric and outcome (ok, or why there was no value). Queries of policies count as one metric, and metrics that no rule gives as metric="".
# TYPE loadline_reads_total counter
loadline_reads_total{api="external",metric="loadline-query.*",outcome="undefined"} 3
`), "loadline_reads_total")
	if err != nil {
		t.Error(err)
	}
}
