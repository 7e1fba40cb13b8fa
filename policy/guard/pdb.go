package guard

import (
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pdbVsMin() Mode {
	return Mode{
		ID: 48, Name: "pdb-vs-min", Severity: Medium,
		Summary: "a PodDisruptionBudget allows no disruption at the HPA's minimum",
		Why:     "minAvailable is held against the size of the workload: at night, when the HPA is at its minimum, no pod may be evicted, and a node drain waits until load comes",
		Remedy:  "use maxUnavailable: 1 in its place, or raise the HPA's minimum above it",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment, PodDisruptionBudget},
		check: func(w *world, r *result) {
			index := newSelectorIndex[*policyv1.PodDisruptionBudget]()
			for _, b := range w.Budgets {
				if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil && !selector.Empty() {
					index.add(b.Namespace, selector, b.Spec.Selector.MatchLabels, b)
				}
			}
			covers := map[*policyv1.PodDisruptionBudget]int{}
			w.eachMember(func(m *member) {
				for _, b := range index.matching(m.Namespace, m.labels) {
					covers[b]++
				}
			})
			w.each(func(s *scaler, t *workload) {
				for _, b := range index.matching(t.Namespace, t.pods()) {
					// Over several workloads their sizes are added up.
					if field, text := blocks(b, s.min()); field != "" && covers[b] == 1 {
						r.find(written(b.TypeMeta, PodDisruptionBudget, "v1", &b.ObjectMeta), field,
							fmt.Sprintf("%s, and %s goes down to %d: then no pod of the %s may be evicted", text, s.Object, s.min(), s.targetName()), s.Object, t.Object)
					}
				}
			})
		},
	}
}

// blocks says which field of a budget allows no eviction at a size of n; empty if none
// does. Percentages are rounded up, as the disruption controller does.
func blocks(b *policyv1.PodDisruptionBudget, n int32) (field, text string) {
	if n == 0 {
		return "", ""
	}
	if least := b.Spec.MinAvailable; least != nil {
		if v, err := intstr.GetScaledValueFromIntOrPercent(least, int(n), true); err == nil && int32(v) >= n {
			return "spec.minAvailable", "it asks for " + least.String()
		}
	}
	if most := b.Spec.MaxUnavailable; most != nil {
		if v, err := intstr.GetScaledValueFromIntOrPercent(most, int(n), true); err == nil && v == 0 {
			return "spec.maxUnavailable", "it allows " + most.String()
		}
	}
	return "", ""
}
