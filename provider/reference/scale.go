package reference

import (
	"context"
	"errors"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/provider/metric"
)

// scaleQPS bounds the scales that are read in a second, which is what a start
// with many HPAs takes: 10,000 need 20 s. The HPA controller itself reads the
// scale of each HPA every 15 s, so for as many HPAs it asks for more, all day.
const scaleQPS = 500

// ScaleClient returns a client for ScaleSelector. It has a limit of its own: with
// that of config, meant for a few lists, reading the scales would take minutes.
func ScaleClient(config *rest.Config) (dynamic.Interface, error) {
	own := rest.CopyConfig(config)
	own.RateLimiter = nil
	own.QPS, own.Burst = max(config.QPS, scaleQPS), max(config.Burst, scaleQPS)
	return dynamic.NewForConfig(own)
}

var errNoSelector = errors.New("its status.selector is empty, so the HPA controller cannot find its pods")

// ScaleSelector reads status.selector through the scale subresource, which every
// scale target has, custom resources included.
func ScaleSelector(client dynamic.Interface, kinds Kinds) SelectorFunc {
	return func(ctx context.Context, namespace string, target schema.GroupKind, name string) (string, error) {
		mapping, err := kinds.RESTMapping(target)
		if err != nil {
			return "", err
		}
		scale, err := client.Resource(mapping.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{}, "scale")
		if err != nil {
			return "", err
		}
		selector, _, err := unstructured.NestedString(scale.Object, "status", "selector")
		if err != nil {
			return "", err
		}
		if selector == "" {
			return "", errNoSelector
		}
		return selector, nil
	}
}

// target is the scale target of an HPA and the selector that its scale had last.
type target struct {
	ref      autoscalingv2.CrossVersionObjectReference
	selector string
}

// identifiers returns what the HPA named key references. While the scale cannot be
// read, its pods are those of the last time: one busy moment of the API server must
// not end the evaluation of what is live. A target that is gone, another one, or one
// never read has none, and then these are the metrics that need no pods: they must
// not go with the others.
func (w *Watcher) identifiers(ctx context.Context, key string, hpa *autoscalingv2.HorizontalPodAutoscaler) ([]metric.Identifier, error) {
	if !NeedsPods(hpa) && (w.opts.Pods == nil || !isOurs(hpa)) {
		w.forget(key)
		w.selects(key, hpa.Namespace, "")
		return Identifiers(hpa, "", w.opts.Kinds)
	}
	selector, scaleErr := w.selector(ctx, hpa)
	switch {
	case scaleErr == nil:
		w.remember(key, target{hpa.Spec.ScaleTargetRef, selector})
	case gone(scaleErr):
		w.forget(key)
		hpa = withoutPods(hpa)
	default:
		if last := w.last(key); last.ref == hpa.Spec.ScaleTargetRef {
			selector = last.selector
		} else {
			hpa = withoutPods(hpa)
		}
	}
	w.selects(key, hpa.Namespace, selector)
	ids, err := Identifiers(hpa, selector, w.opts.Kinds)
	return ids, errors.Join(scaleErr, err)
}

// selects tells which pods an HPA's scale target selects, if somebody has to know.
func (w *Watcher) selects(key, namespace, selector string) {
	if w.opts.Pods != nil {
		w.opts.Pods(key, namespace, selector)
	}
}

// isOurs says whether an HPA has a metric of custom.metrics.k8s.io or external.metrics.k8s.io.
func isOurs(hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	return slices.ContainsFunc(hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.Type == autoscalingv2.PodsMetricSourceType || m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType
	})
}

// gone says whether err means that there is no such scale, and not only that it
// could not be read.
func gone(err error) bool {
	return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || errors.Is(err, errNoSelector)
}

func (w *Watcher) last(key string) target {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.targets[key]
}

func (w *Watcher) remember(key string, t target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.targets[key] = t
}

func (w *Watcher) forget(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.targets, key)
}

func (w *Watcher) selector(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler) (string, error) {
	ref := hpa.Spec.ScaleTargetRef
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return "", fmt.Errorf("scaleTargetRef: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	selector, err := w.opts.Selector(ctx, hpa.Namespace, gv.WithKind(ref.Kind).GroupKind(), ref.Name)
	if err != nil {
		return "", fmt.Errorf("the scale of %s %s: %w", ref.Kind, ref.Name, err)
	}
	return selector, nil
}
