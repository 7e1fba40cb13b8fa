package guard

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/quota"
)

func quotaSurge() Mode {
	return Mode{
		ID: 49, Name: "quota-surge", Severity: High,
		Summary: "a ResourceQuota does not have room for the HPA's maximum and a rollout's surge",
		Why: "pods beyond a quota are refused by the API server: the HPA writes a size that is never reached, " +
			"and a rollout at that size waits for room for its surge",
		Remedy: "raise the quota, or lower maxReplicas, maxSurge or the requests",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment, ResourceQuota, LimitRange},
		check: func(w *world, r *result) {
			in := map[string][]*scaler{}
			w.each(func(s *scaler, t *workload) {
				if t.template != nil {
					in[s.Namespace] = append(in[s.Namespace], s)
				}
			})
			for _, q := range w.Quotas {
				if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
					r.skip(written(q.TypeMeta, ResourceQuota, "v1", &q.ObjectMeta), "it has scopes, and which pods are in them is not computed")
					continue
				}
				for name, hard := range q.Spec.Hard {
					if e, ok := quota.EntryOf(name); ok {
						w.exceeds(r, in[q.Namespace], q, name, e, hard)
					}
				}
			}
		},
	}
}

// exceeds finds the HPAs whose maximum does not fit into an entry of a quota beside what
// all others take at the least.
func (w *world) exceeds(r *result, all []*scaler, q *corev1.ResourceQuota, entry corev1.ResourceName, of quota.Entry, hard resource.Quantity) {
	var least float64
	for _, m := range w.members[q.Namespace] {
		if m.of != nil && m.of.scales {
			least += float64(w.least(m.of)) * w.perPod(m.of, of)
		}
	}
	limit := hard.AsApproximateFloat64()
	for _, s := range all {
		t := s.of
		surge := t.surge(s.max())
		own := float64(s.max()+surge) * w.perPod(t, of)
		others := least - float64(w.least(t))*w.perPod(t, of)
		if own == 0 || own+others <= limit*(1+1e-9) {
			continue
		}
		text := fmt.Sprintf("%d pods and %d more in a rollout take %s of %s", s.max(), surge, amount(own, of), of)
		if others > 0 {
			text += fmt.Sprintf(", the other workloads at their least %s", amount(others, of))
		}
		quota := written(q.TypeMeta, ResourceQuota, "v1", &q.ObjectMeta)
		r.find(s.Object, s.field("spec.maxReplicas"), fmt.Sprintf("%s; the ResourceQuota %s has %s for %s", text, q.Name, hard.String(), entry), quota)
	}
}

// least is the smallest size of a workload.
func (w *world) least(t *workload) int32 {
	if all := w.byTarget[t.target()]; len(all) > 0 {
		return all[0].min()
	}
	return t.size()
}

// perPod is what one pod takes of a quota's entry.
func (w *world) perPod(t *workload, of quota.Entry) float64 {
	if t.template == nil {
		if of.Of == quota.Pods {
			return 1
		}
		return 0
	}
	q := of.PerPod(w.limits[t.Namespace], &t.template.Spec)
	return q.AsApproximateFloat64()
}

// amount writes a sum as a quantity is written.
func amount(n float64, of quota.Entry) string {
	if slices.Contains([]corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage}, of.Of) {
		return resource.NewQuantity(int64(n), resource.BinarySI).String()
	}
	return resource.NewMilliQuantity(int64(n*1000+0.5), resource.DecimalSI).String()
}
