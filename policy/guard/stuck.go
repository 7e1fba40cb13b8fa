package guard

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stuckAfter is how long a pod may take to become ready before it counts as broken. It is
// a Deployment's default for the same (progressDeadlineSeconds).
const stuckAfter = 10 * time.Minute

// brokenPods are, by their controller, the first pods that have not been ready for
// longer than stuckAfter.
func (w *world) brokenPods() map[types.UID]*corev1.Pod {
	all := map[types.UID]*corev1.Pod{}
	for _, p := range w.Pods {
		c := metav1.GetControllerOf(p)
		if c == nil || ready(p) || p.DeletionTimestamp != nil || w.Now.Sub(since(p)) < stuckAfter {
			continue
		}
		if first := all[c.UID]; first == nil || p.Name < first.Name {
			all[c.UID] = p
		}
	}
	return all
}

// since is from when on a pod has not been ready.
func since(p *corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && !c.LastTransitionTime.IsZero() {
			return c.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}
