package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	customv1beta1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/chain"
	"github.com/loadline/loadline/policy/doctor"
)

// The groups of the metrics APIs.
const (
	resourceMetrics = doctor.ResourceMetrics
	customMetrics   = doctor.CustomMetrics
	externalMetrics = doctor.ExternalMetrics
)

// answers asks for each metric of the HPA as the controller's clients do
// (k8s.io/metrics/pkg/client), side by side. Metrics of pods are not asked for where their
// selector is nil, which is not known then.
func (g *gatherer) answers(ctx context.Context, selector *string, into []chain.Answer, reading *sync.WaitGroup) {
	version := sync.OnceValues(func() (string, *chain.Break) { return g.customVersion(ctx) })
	for i, m := range g.hpa.Spec.Metrics {
		switch a := &into[i]; {
		case m.Resource != nil && selector != nil:
			reading.Go(func() { g.usage(ctx, a, *selector, m.Resource.Name, "") })
		case m.ContainerResource != nil && selector != nil:
			reading.Go(func() { g.usage(ctx, a, *selector, m.ContainerResource.Name, m.ContainerResource.Container) })
		case m.Pods != nil && selector != nil:
			reading.Go(func() { g.ofPods(ctx, a, version, *selector, m.Pods.Metric) })
		case m.Object != nil:
			reading.Go(func() { g.object(ctx, a, version, m.Object) })
		case m.External != nil:
			reading.Go(func() { g.external(ctx, a, m.External.Metric) })
		}
	}
}

// ask reads the answer to a request for a metric. The place is the metric, which chain names.
func ask(ctx context.Context, a *chain.Answer, r *rest.Request, q question, into any) bool {
	// The star of all pods as people write it.
	a.Asked = strings.ReplaceAll(r.URL().RequestURI(), "%2A", custommetrics.AllObjects)
	if r.Error() != nil { // a name that no path can have
		a.Broken = &chain.Break{Reason: r.Error().Error(), Remedy: "nor can the HPA controller ask for it: give the metric a name without / and %"}
		return false
	}
	a.Broken = fetch(ctx, r, q, into)
	return a.Broken == nil
}

// usage asks metrics.k8s.io.
func (g *gatherer) usage(ctx context.Context, a *chain.Answer, selector string, of corev1.ResourceName, container string) {
	q := question{of: metrics.SchemeGroupVersion, right: "list pods"}
	var answer metrics.PodMetricsList
	if ask(ctx, a, with(g.get(q.of).Namespace(g.namespace).Resource("pods"), "labelSelector", selector), q, &answer) {
		a.Reading = arithmetic.ResourceReading(answer.Items, of, container)
	}
}

// ofPods asks custom.metrics.k8s.io for the values of all pods of the target.
func (g *gatherer) ofPods(ctx context.Context, a *chain.Answer, version func() (string, *chain.Break), selector string, of autoscalingv2.MetricIdentifier) {
	series, ok := seriesOf(of)
	if !ok {
		return
	}
	v, b := version()
	if a.Broken = b; b != nil {
		return
	}
	q := question{
		of: schema.GroupVersion{Group: customMetrics, Version: v}, right: "get pods/" + of.Name,
		absent: "there is no value of it for any of the pods", remedy: "see whether the pods export it, whether that is scraped, and whether a rule of the adapter makes a metric of this name for pods of it",
	}
	r := g.get(q.of).Namespace(g.namespace).Resource("pods").Name(custommetrics.AllObjects).SubResource(of.Name)
	var answer custommetrics.MetricValueList
	if ask(ctx, a, with(with(r, "labelSelector", selector), "metricLabelSelector", series), q, &answer) {
		a.Reading = arithmetic.PodsReading(answer.Items)
	}
}

// object asks custom.metrics.k8s.io for the value of one object.
func (g *gatherer) object(ctx context.Context, a *chain.Answer, version func() (string, *chain.Break), of *autoscalingv2.ObjectMetricSource) {
	series, ok := seriesOf(of.Metric)
	if !ok {
		return
	}
	resource, b := g.resource(ctx, "", of.DescribedObject)
	if a.Broken = b; b != nil {
		return
	}
	v, b := version()
	if a.Broken = b; b != nil {
		return
	}
	name := resource.GroupResource().String()
	q := question{
		of: schema.GroupVersion{Group: customMetrics, Version: v}, right: "get " + name + "/" + of.Metric.Name,
		absent: "there is no value of it for the object", remedy: "see whether the object is there, and whether a rule of the adapter makes a metric of this name for its kind",
	}
	r := g.get(q.of).Namespace(g.namespace).Resource(name).Name(of.DescribedObject.Name).SubResource(of.Metric.Name)
	if name == "namespaces" { // its own, whatever its name in the HPA is
		r, q.right = g.get(q.of).Namespace(g.namespace).Resource("metrics").Name(of.Metric.Name), "get metrics"
	}
	var answer custommetrics.MetricValueList
	if !ask(ctx, a, with(r, "metricLabelSelector", series), q, &answer) {
		return
	}
	if len(answer.Items) != 1 {
		a.Broken = &chain.Break{Reason: fmt.Sprintf("%d values were answered for one object", len(answer.Items)), Remedy: "the query behind the metric has to give one series for an object: sum it by the object's label"}
		return
	}
	one := &answer.Items[0]
	a.Reading = arithmetic.ObjectReading(one)
	a.Series = []chain.Sample{{Milli: one.Value.MilliValue(), Timestamp: one.Timestamp.Time}}
}

// external asks external.metrics.k8s.io. The path has the metric's name in lower case, as the
// controller's client writes it.
func (g *gatherer) external(ctx context.Context, a *chain.Answer, of autoscalingv2.MetricIdentifier) {
	series, ok := seriesOf(of)
	if !ok {
		return
	}
	q := question{
		of: externalmetrics.SchemeGroupVersion, right: "list " + strings.ToLower(of.Name),
		absent: "there is no value of it", remedy: "see whether there are series that its selector finds, and whether a rule of the adapter makes an external metric of this name of them. Nothing is not zero: a queue that is empty has to say 0",
	}
	var answer externalmetrics.ExternalMetricValueList
	if !ask(ctx, a, with(g.get(q.of).Namespace(g.namespace).Resource(of.Name), "labelSelector", series), q, &answer) {
		return
	}
	a.Reading = arithmetic.ExternalReading(answer.Items)
	for i := range answer.Items {
		s := &answer.Items[i]
		a.Series = append(a.Series, chain.Sample{Labels: s.MetricLabels, Milli: s.Value.MilliValue(), Timestamp: s.Timestamp.Time})
	}
}

// seriesOf is the selector of a metric. One that is none is not asked for, nor does the
// controller.
func seriesOf(m autoscalingv2.MetricIdentifier) (string, bool) {
	selector, err := metav1.LabelSelectorAsSelector(m.Selector)
	if err != nil {
		return "", false
	}
	return selector.String(), true
}

// with adds a parameter that is not empty.
func with(r *rest.Request, name, value string) *rest.Request {
	if value == "" {
		return r
	}
	return r.Param(name, value)
}

// customVersion is the version of custom.metrics.k8s.io that the controller asks for: the one
// that the API server prefers or, if it does not know that one, the first that it knows. What
// is read of their lists has the same names in both.
func (g *gatherer) customVersion(ctx context.Context) (string, *chain.Break) {
	q := question{of: schema.GroupVersion{Group: customMetrics}, right: "get the URL " + root(schema.GroupVersion{Group: customMetrics})}
	var group metav1.APIGroup
	if b := fetch(ctx, g.get(q.of), q, &group); b != nil {
		return "", b
	}
	known := []string{custommetrics.SchemeGroupVersion.Version, customv1beta1.SchemeGroupVersion.Version}
	for _, v := range append([]metav1.GroupVersionForDiscovery{group.PreferredVersion}, group.Versions...) {
		if slices.Contains(known, v.Version) {
			return v.Version, nil
		}
	}
	return "", &chain.Break{Reason: "the cluster serves " + customMetrics + " in no version that the HPA controller knows", Remedy: doctor.Serving(customMetrics)}
}
