package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

const (
	metricsPath = "/apis/custom.metrics.k8s.io"
	// maxReplicaSets bounds what is read of one Deployment: its history limit is 10.
	maxReplicaSets = 200
	// revisionAnnotation numbers a Deployment's ReplicaSets.
	revisionAnnotation = "deployment.kubernetes.io/revision"
)

// lastLooks is when the metrics of a rollout's new pods were looked at last, and what was
// found.
type lastLooks struct {
	mu sync.Mutex
	by map[types.NamespacedName]look
}

type look struct {
	at       time.Time
	revision string
	found    []string
}

// unmetered are the metrics of a policy that no pod of the target's newest revision has,
// though some serve; nil where that is not known, or nothing is rolled out. It is looked
// at once for each sync of the HPA.
func (r *reconciler) unmetered(ctx context.Context, p *v1alpha1.AutoscalingPolicy, o client.Object, v *rollout.View) []string {
	key := client.ObjectKeyFromObject(p)
	state := p.Status.Rollout
	if v == nil || state == nil || state.Phase != v1alpha1.Progressing && state.Phase != v1alpha1.Stalled || len(podsMetrics(p)) == 0 {
		r.looks.drop(key)
		return nil
	}
	now := r.opts.Now()
	if last, ok := r.looks.get(key); ok && last.revision == v.Revision && now.Sub(last.at) < r.opts.HPASync && !now.Before(last.at) {
		return last.found
	}
	selector, err := r.newest(ctx, o, v)
	if err != nil {
		klog.FromContext(ctx).V(1).Info("Cannot tell the pods of the newest revision", "err", err.Error())
	}
	var found []string
	if selector != nil {
		found = r.without(ctx, p, selector)
	}
	r.looks.set(key, look{now, v.Revision, found})
	return found
}

// podsMetrics are the metrics of a policy that its pods export.
func podsMetrics(p *v1alpha1.AutoscalingPolicy) []autoscalingv2.MetricIdentifier {
	var out []autoscalingv2.MetricIdentifier
	for _, m := range hpa.Metrics(p) {
		if m.Pods != nil {
			out = append(out, m.Pods.Metric)
		}
	}
	return out
}

// newest selects the pods of the target's newest revision; nil while none of them serves.
func (r *reconciler) newest(ctx context.Context, o client.Object, v *rollout.View) (labels.Selector, error) {
	_, selector := rollout.Pods(o)
	switch w := o.(type) {
	case *appsv1.StatefulSet:
		// One after the other: the second is made when the first serves.
		if !v.Observed || v.Updated < 2 && (v.Updated < 1 || v.Available < v.Size) {
			return nil, nil
		}
		return with(selector, appsv1.ControllerRevisionHashLabelKey, w.Status.UpdateRevision)
	case *appsv1.Deployment:
		if !v.Observed {
			return nil, nil
		}
		var sets appsv1.ReplicaSetList
		err := r.call(ctx, func(ctx context.Context) error {
			return r.direct.List(ctx, &sets, client.InNamespace(w.Namespace), client.MatchingLabelsSelector{Selector: selector}, client.Limit(maxReplicaSets))
		})
		if err != nil {
			return nil, fmt.Errorf("list the ReplicaSets of %s: %w", w.Name, err)
		}
		if set := newestOf(sets.Items, w.UID); set != nil && set.Status.AvailableReplicas > 0 {
			return with(selector, appsv1.DefaultDeploymentUniqueLabelKey, set.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
		}
	}
	return nil, nil // what has no revisions
}

// newestOf is the ReplicaSet with the highest revision of those that a Deployment owns.
func newestOf(sets []appsv1.ReplicaSet, owner types.UID) *appsv1.ReplicaSet {
	var newest *appsv1.ReplicaSet
	highest := int64(-1)
	for i := range sets {
		if of := metav1.GetControllerOf(&sets[i]); of == nil || of.UID != owner {
			continue
		}
		if n, err := strconv.ParseInt(sets[i].Annotations[revisionAnnotation], 10, 64); err == nil && n > highest {
			newest, highest = &sets[i], n
		}
	}
	return newest
}

// with narrows a selector to one value of a label.
func with(s labels.Selector, key, value string) (labels.Selector, error) {
	if value == "" {
		return nil, nil
	}
	one, err := labels.ValidatedSelectorFromSet(labels.Set{key: value})
	if err != nil {
		return nil, err
	}
	requirements, _ := one.Requirements()
	return s.Add(requirements...), nil
}

// without are the metrics of a policy that no pod of a selector has; nil where the API of
// custom metrics does not say, and empty where there are none.
func (r *reconciler) without(ctx context.Context, p *v1alpha1.AutoscalingPolicy, pods labels.Selector) []string {
	out := []string{}
	for _, m := range podsMetrics(p) {
		any, err := r.hasMetric(ctx, p.Namespace, m, pods)
		if err != nil {
			klog.FromContext(ctx).V(1).Info("Cannot tell whether pods have a metric", "metric", m.Name, "err", err.Error())
			return nil
		}
		if !any {
			out = append(out, m.Name)
		}
	}
	return out
}

// hasMetric says whether any of some pods has a metric, as the HPA controller would read
// it. An adapter says that none has by an empty list, or by NotFound about the metric.
func (r *reconciler) hasMetric(ctx context.Context, namespace string, m autoscalingv2.MetricIdentifier, pods labels.Selector) (bool, error) {
	if wrong := content.IsPathSegmentName(m.Name); len(wrong) > 0 {
		return false, fmt.Errorf("a metric %q that no URL can name", m.Name)
	}
	read := func(at string, query map[string]string, into any) (code int, err error) {
		err = r.call(ctx, func(ctx context.Context) error {
			request := r.scales.Get().AbsPath(at)
			for k, v := range query {
				request = request.Param(k, v)
			}
			answer := request.Do(ctx).StatusCode(&code)
			if err := answer.Error(); err != nil { // which has the server's words
				return err
			}
			data, err := answer.Raw()
			if err != nil {
				return err
			}
			return json.Unmarshal(data, into)
		})
		return code, err
	}
	var group metav1.APIGroup
	if _, err := read(metricsPath, nil, &group); err != nil {
		return false, err
	}
	query := map[string]string{"labelSelector": pods.String()}
	if m.Selector != nil {
		selector, err := metav1.LabelSelectorAsSelector(m.Selector)
		if err != nil {
			return false, err
		}
		query["metricLabelSelector"] = selector.String()
	}
	var list struct{ Items []json.RawMessage }
	code, err := read(fmt.Sprintf("/apis/%s/namespaces/%s/pods/*/%s", group.PreferredVersion.GroupVersion, namespace, m.Name), query, &list)
	if code == 404 {
		return false, nil
	}
	return len(list.Items) > 0, err
}

func (l *lastLooks) get(key types.NamespacedName) (look, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.by[key]
	return last, ok
}

func (l *lastLooks) set(key types.NamespacedName, n look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[types.NamespacedName]look{}
	}
	l.by[key] = n
}

func (l *lastLooks) drop(key types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.by, key)
}
