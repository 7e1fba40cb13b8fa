package provider

import (
	"cmp"
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/metrics/pkg/apis/external_metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
)

// External serves external.metrics.k8s.io.
type External struct {
	Reader  *Reader
	Catalog *catalog.Catalog
	Queries Queries // asked before the catalog; nil: there are none
	Metrics *Metrics
}

// Queries are external metrics that no rule gives.
type Queries interface {
	// PromQL is what is sent to the source for one; ok is false for a name that is none
	// of theirs. The error, a *metric.Error, says why one is not there or is not served.
	PromQL(namespace, metric string) (promQL string, ok bool, err error)
}

var _ cmprovider.ExternalMetricsProvider = (*External)(nil)

// GetExternalMetric answers with every series of the rule's query. No series is
// an error, not an empty list: the HPA controller would only say that no metrics
// were returned.
func (e *External) GetExternalMetric(ctx context.Context, namespace string, metricSelector labels.Selector, info cmprovider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	began := e.Reader.Now()
	bounded := newPatience(ctx, e.Reader.Patience)
	defer bounded.end()
	id := metric.Identifier{API: metric.External, Metric: info.Metric, Namespace: namespace, MetricSelector: metricSelector.String()}
	list, name, err := e.get(bounded, id)
	e.Metrics.read(metric.External, name, name != "", err, e.Reader.Now().Sub(began))
	if err != nil {
		return nil, statusError(err)
	}
	return list, nil
}

// get returns the answer, and the name by which the read is counted: that of a rule's
// metric, the same one for all queries of policies, or none.
func (e *External) get(ctx context.Context, id metric.Identifier) (list *external_metrics.ExternalMetricValueList, name string, err error) {
	if e.Queries != nil {
		if promQL, ok, err := e.Queries.PromQL(id.Namespace, id.Metric); ok || err != nil {
			if err == nil {
				list, err = e.read(ctx, id, promQL)
			}
			return list, metric.QueryPrefix + "*", err
		}
	}
	var entry catalog.Entry
	known := false
	e.Catalog.Wait(ctx, func() bool {
		entry, known = e.Catalog.External(id.Metric)
		return known
	})
	if !known {
		return nil, "", e.Catalog.Missing(catalog.Name{Metric: id.Metric})
	}
	// A rule that is not namespaced gives the same in every namespace, and what is
	// written about prometheus-adapter asks for its metrics in "*".
	if id.Namespace != allNamespaces || entry.Rule.Namespaced() {
		if err := namespaceError(id.Namespace, "namespaces/NAMESPACE/"+id.Metric); err != nil {
			return nil, id.Metric, err
		}
	}
	list, err = e.read(ctx, id, "")
	return list, id.Metric, err
}

// read answers from the store. promQL is that of a query; empty for a rule's metric, whose
// values are forgotten where the rule is another one.
func (e *External) read(ctx context.Context, id metric.Identifier, promQL string) (*external_metrics.ExternalMetricValueList, error) {
	data, err := e.Reader.Read(ctx, id, id.Namespace)
	if err != nil {
		return nil, err
	}
	if promQL != "" && data.PromQL != promQL {
		// The target may have changed with the query: the old value would mean another size.
		e.Reader.Evaluator.Soon(id)
		return nil, metric.Errorf(metric.Pending, "the query has changed since it was evaluated; that is under way")
	}
	if len(data.Series) == 0 {
		return nil, metric.Errorf(metric.Absent, "the source has no series for it (absence is not zero); asked%s: %s", ofSource(data.Source), data.PromQL)
	}
	window := seconds(data.Window)
	list := &external_metrics.ExternalMetricValueList{Items: make([]external_metrics.ExternalMetricValue, 0, len(data.Series))}
	for _, v := range data.Series {
		list.Items = append(list.Items, external_metrics.ExternalMetricValue{
			MetricName: id.Metric, MetricLabels: v.Labels, Timestamp: metav1.Time{Time: v.Time}, WindowSeconds: window, Value: v.Quantity,
		})
	}
	return list, nil
}

// ListAllExternalMetrics lists what discovery shows, sorted.
func (e *External) ListAllExternalMetrics() []cmprovider.ExternalMetricInfo {
	infos := []cmprovider.ExternalMetricInfo{}
	e.Catalog.EachExternal(func(name string) { infos = append(infos, cmprovider.ExternalMetricInfo{Metric: name}) })
	slices.SortFunc(infos, func(a, b cmprovider.ExternalMetricInfo) int {
		return cmp.Compare(a.Metric, b.Metric)
	})
	return infos
}
