// Package reference knows which metrics the HPAs of the cluster reference, so
// that the HPA controller's first read already finds a value.
package reference

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// Kinds is the part of a REST mapper that references need.
type Kinds interface {
	RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error)
}

// Identifiers returns what the HPA controller will read for hpa: the requests of
// pkg/controller/podautoscaler/metrics/client.go, in their canonical form.
//
// podSelector is status.selector of the scale target's scale. A metric that
// cannot be resolved is left out and named in the error; the others are right.
func Identifiers(hpa *autoscalingv2.HorizontalPodAutoscaler, podSelector string, kinds Kinds) ([]metric.Identifier, error) {
	var ids []metric.Identifier
	var errs []error
	for i, m := range hpa.Spec.Metrics {
		id, ok, err := identifier(hpa.Namespace, m, podSelector, kinds)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("spec.metrics[%d]: %w", i, err))
		case ok:
			ids = append(ids, id)
		}
	}
	return ids, errors.Join(errs...)
}

// NeedsPods says whether hpa has a metric whose pods the scale target selects.
func NeedsPods(hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, m := range hpa.Spec.Metrics {
		if m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil {
			return true
		}
	}
	return false
}

// withoutPods returns a copy of hpa without the metrics for which NeedsPods is.
// The indexes in errors of Identifiers then count the others only.
func withoutPods(hpa *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	out := hpa.DeepCopy()
	out.Spec.Metrics = slices.DeleteFunc(out.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.Type == autoscalingv2.PodsMetricSourceType
	})
	return out
}

func identifier(namespace string, m autoscalingv2.MetricSpec, podSelector string, kinds Kinds) (metric.Identifier, bool, error) {
	switch {
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		pods, err := canonical(podSelector)
		if err != nil {
			return metric.Identifier{}, false, fmt.Errorf("the scale's selector: %w", err)
		}
		id, err := identify(metric.Custom, namespace, m.Pods.Metric)
		id.Resource, id.Selector = schema.GroupResource{Resource: "pods"}, pods
		return id, true, err

	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		id, err := identify(metric.Custom, namespace, m.Object.Metric)
		if err != nil {
			return id, false, err
		}
		ref := m.Object.DescribedObject
		gv, err := schema.ParseGroupVersion(ref.APIVersion)
		if err != nil {
			return id, false, fmt.Errorf("describedObject: %w", err)
		}
		mapping, err := kinds.RESTMapping(gv.WithKind(ref.Kind).GroupKind())
		if err != nil {
			return id, false, fmt.Errorf("describedObject: %w", err)
		}
		id.Resource, id.Name = mapping.Resource.GroupResource(), ref.Name
		if id.Resource == (schema.GroupResource{Resource: "namespaces"}) {
			// Whatever the reference says, the controller asks about the HPA's own
			// namespace: an HPA must not see others.
			id.Name = namespace
		}
		// The controller's client asks for everything but Namespace objects
		// inside the HPA's namespace, root-scoped kinds included; those are
		// stored without one.
		if mapping.Scope.Name() == meta.RESTScopeNameRoot {
			id.Namespace = ""
		}
		return id, true, nil

	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		id, err := identify(metric.External, namespace, m.External.Metric)
		// The controller's client has the name as a resource of a path, which it lower-cases
		// (Request.URL in client-go's rest).
		id.Metric = strings.ToLower(id.Metric)
		return id, true, err
	}
	return metric.Identifier{}, false, nil // CPU, memory: not ours
}

func identify(api metric.API, namespace string, m autoscalingv2.MetricIdentifier) (metric.Identifier, error) {
	selector, err := metav1.LabelSelectorAsSelector(m.Selector)
	if err != nil {
		return metric.Identifier{}, fmt.Errorf("metric.selector: %w", err)
	}
	if m.Selector == nil {
		selector = labels.Everything() // the controller treats an absent selector so
	}
	return metric.Identifier{API: api, Namespace: namespace, Metric: m.Name, MetricSelector: selector.String()}, nil
}

func canonical(selector string) (string, error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return "", err
	}
	return parsed.String(), nil
}
