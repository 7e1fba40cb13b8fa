package v1alpha1

import "strings"

// The groups of the metrics APIs, as Metric.API has them.
const (
	CustomMetrics   = "custom.metrics.k8s.io"
	ExternalMetrics = "external.metrics.k8s.io"
	ResourceMetrics = "metrics.k8s.io"
)

// Name is what the Metric of a metric is called: RESOURCE:METRIC, of which the first colon is
// the boundary, for no name of a resource has one. The resource is that of the described
// objects, such as pods or deployments.apps. Of external metrics it is external, which no
// resource is called that has no group. CPU and memory are of pods.metrics.k8s.io and
// nodes.metrics.k8s.io.
func Name(api, resource, metric string) string {
	switch api {
	case ExternalMetrics:
		resource = external
	case ResourceMetrics:
		resource += "." + ResourceMetrics
	}
	return resource + ":" + metric
}

const external = "external"

// ParseName is the inverse of Name; false if name is none of its.
func ParseName(name string) (api, resource, metric string, ok bool) {
	resource, metric, ok = strings.Cut(name, ":")
	if !ok || resource == "" || metric == "" {
		return "", "", "", false
	}
	if resource == external {
		return ExternalMetrics, "", metric, true
	}
	if of, is := strings.CutSuffix(resource, "."+ResourceMetrics); is {
		return ResourceMetrics, of, metric, of == "pods" || of == "nodes"
	}
	return CustomMetrics, resource, metric, true
}
