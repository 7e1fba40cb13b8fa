package controller

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Bounds of one count of pods.
const (
	podsAtOnce = 250  // in one answer, which is held in memory
	mostReady  = 1000 // beyond which it is not counted on
)

// facts are what the webhook asks for. Policies are read from the cache, pods from the
// API server: a cache of all the pods of a cluster would be its largest part, and is
// needed a few times a day.
type facts struct{ policies, pods client.Reader }

// BlueGreen implements webhook.Facts.
func (f *facts) BlueGreen(ctx context.Context, namespace, service string) ([]v1alpha1.AutoscalingPolicy, error) {
	return policiesBehind(ctx, f.policies, namespace, service)
}

// Ready implements webhook.Facts.
func (f *facts) Ready(ctx context.Context, namespace string, selector map[string]string) (int, error) {
	n, next := 0, ""
	for {
		var list corev1.PodList
		if err := f.pods.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels(selector), client.Limit(podsAtOnce), client.Continue(next)); err != nil {
			return 0, fmt.Errorf("list the pods: %w", err)
		}
		for i := range list.Items {
			if serves(&list.Items[i]) {
				n++
			}
		}
		if next = list.Continue; next == "" || n >= mostReady {
			return min(n, mostReady), nil
		}
	}
}

// serves says whether a Service sends requests to a pod that it selects.
func serves(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
