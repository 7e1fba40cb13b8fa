package arithmetic

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

// client is the controller's own client, over the answers of a world.
func client(w *world) metrics.MetricsClient {
	return metrics.NewRESTMetricsClient(usage{w}, custom{w}, external{w})
}

type usage struct{ *world }

func (u usage) PodMetricses(string) metricsclient.PodMetricsInterface {
	return usageLists{world: u.world}
}

type usageLists struct {
	metricsclient.PodMetricsInterface // the rest is not called
	*world
}

func (u usageLists) List(context.Context, metav1.ListOptions) (*metricsapi.PodMetricsList, error) {
	return &metricsapi.PodMetricsList{Items: u.usage.items}, u.usage.err
}

type custom struct{ *world }

func (c custom) RootScopedMetrics() customclient.MetricsInterface       { return c }
func (c custom) NamespacedMetrics(string) customclient.MetricsInterface { return c }

func (c custom) GetForObject(_ schema.GroupKind, _, metric string, _ labels.Selector) (*custommetrics.MetricValue, error) {
	a := c.custom[metric]
	return &a.items[0], a.err
}

func (c custom) GetForObjects(_ schema.GroupKind, _ labels.Selector, metric string, _ labels.Selector) (*custommetrics.MetricValueList, error) {
	a := c.custom[metric]
	return &custommetrics.MetricValueList{Items: a.items}, a.err
}

type external struct{ *world }

func (e external) NamespacedMetrics(string) externalclient.MetricsInterface { return e }

func (e external) List(metric string, _ labels.Selector) (*externalmetrics.ExternalMetricValueList, error) {
	a := e.external[metric]
	return &externalmetrics.ExternalMetricValueList{Items: a.items}, a.err
}

// podIndex has the pods of a world.
func podIndex(pods []*corev1.Pod) cache.Indexer {
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, p := range pods {
		if err := index.Add(p); err != nil {
			panic(err) // only of an object without metadata
		}
	}
	return index
}

func podLister(w *world) corelisters.PodLister { return corelisters.NewPodLister(podIndex(w.pods)) }
