package provider

import (
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
	Metrics *Metrics
}

var _ cmprovider.ExternalMetricsProvider = (*External)(nil)

// GetExternalMetric answers with every series of the rule's query. No series is
// an error, not an empty list: the HPA controller would only say that no metrics
// were returned.
func (e *External) GetExternalMetric(ctx context.Context, namespace string, metricSelector labels.Selector, info cmprovider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	began := e.Reader.Now()
	ctx, cancel := context.WithTimeout(ctx, e.Reader.Patience)
	defer cancel()
	var entry catalog.Entry
	known := false
	e.Catalog.Wait(ctx, func() bool {
		entry, known = e.Catalog.External(info.Metric)
		return known
	})
	list, err := e.get(ctx, metric.Identifier{
		API: metric.External, Metric: info.Metric, Namespace: namespace, MetricSelector: metricSelector.String(),
	}, entry, known)
	e.Metrics.read(metric.External, info.Metric, known, err, e.Reader.Now().Sub(began))
	if err != nil {
		return nil, statusError(err)
	}
	return list, nil
}

func (e *External) get(ctx context.Context, id metric.Identifier, entry catalog.Entry, known bool) (*external_metrics.ExternalMetricValueList, error) {
	if !known {
		return nil, e.Catalog.Missing(catalog.Name{Metric: id.Metric})
	}
	// A rule that is not namespaced gives the same in every namespace, and what is
	// written about prometheus-adapter asks for its metrics in "*".
	if id.Namespace != allNamespaces || entry.Rule.Namespaced() {
		if err := namespaceError(id.Namespace, "namespaces/NAMESPACE/"+id.Metric); err != nil {
			return nil, err
		}
	}
	data, err := e.Reader.Read(ctx, id, id.Namespace)
	if err != nil {
		return nil, err
	}
	if len(data.Series) == 0 {
		return nil, metric.Errorf(metric.Absent, "the source has no series for it (absence is not zero); asked: %s", data.PromQL)
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
		if a.Metric < b.Metric {
			return -1
		}
		return 1
	})
	return infos
}
