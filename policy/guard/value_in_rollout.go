package guard

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func valueSurge() Mode {
	return Mode{
		ID: 30, Name: "value-surge", Severity: High,
		Summary: "an HPA multiplies the number of ready pods, and a rolling update adds many to them",
		Why: "a target of type Value gives ceil(metric ÷ target × ready pods), and ready pods are counted by the selector: those of the surge and those that are terminating, too. " +
			"Above the target each sync multiplies again: 10 pods became 51 within 10 s of a rollout",
		Remedy: "use a target of type AverageValue; where it must be Value, keep spec.strategy.rollingUpdate.maxSurge to a tenth of the size",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.deployment == nil {
					return
				}
				most := t.surge(s.max())
				// Within an HPA's tolerance of a tenth more pods make no difference.
				if 10*most <= s.max() || most <= 1 {
					return
				}
				for _, i := range s.valueMetrics() {
					r.find(s.Object, s.metricField(i, "target.value"), fmt.Sprintf("at %d pods a rollout of the %s adds %d, and the HPA multiplies them by %s ÷ target", s.max(), s.targetName(), most, metricName(&s.hpa.Spec.Metrics[i])), t.Object)
				}
			})
		},
	}
}

func unreadyCollapse() Mode {
	return Mode{
		ID: 32, Name: "unready-collapse", Severity: Critical,
		Summary: "an HPA multiplies the number of ready pods, and there are times at which none is ready",
		Why: "a target of type Value gives ceil(metric ÷ target × ready pods): with no pod ready that is 0 whatever the load, so that the size falls to minReplicas, " +
			"with every condition of the HPA in order",
		Remedy: "use a target of type AverageValue, which does not look at the pods; or update by RollingUpdate with maxUnavailable 0, and hold a floor meanwhile",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				values := s.valueMetrics()
				if len(values) == 0 {
					return
				}
				why := noneReady(w, s, t)
				if why == "" {
					return
				}
				for _, i := range values {
					r.find(s.Object, s.metricField(i, "target.value"), fmt.Sprintf("%s: the HPA then takes 0 × %s ÷ target, and sets %d", why, metricName(&s.hpa.Spec.Metrics[i]), s.min()), t.Object)
				}
			})
		},
	}
}

// noneReady says when no pod of a target is ready; empty if it is not known to happen.
func noneReady(w *world, s *scaler, t *workload) string {
	if w.Source == Live && t.running > 0 && t.ready == 0 {
		return fmt.Sprintf("none of the %d pods of the %s is ready now", t.running, s.targetName())
	}
	if t.deployment == nil {
		return ""
	}
	if t.deployment.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return fmt.Sprintf("the strategy of the %s is Recreate, which ends all pods before it starts new ones", s.targetName())
	}
	if r, ok := fenceposts(t.deployment, s.max()); ok && r.unavailable >= s.max() && r.surge < s.max() {
		return fmt.Sprintf("maxUnavailable of the %s lets a rollout end all pods at once", s.targetName())
	}
	return ""
}

func rolloutAtMax() Mode {
	return Mode{
		ID: 35, Name: "rollout-at-max", Severity: High,
		Summary: "the target is at the HPA's maximum, and a rollout takes pods away that the HPA cannot put back",
		Why:     "maxUnavailable lets a rollout run with fewer ready pods than the size; below the maximum the HPA adds pods for the load, at the maximum it cannot",
		Remedy:  "set maxUnavailable: 0 and a maxSurge of 1 or more, or raise maxReplicas before the release",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment},
		Status:  true,
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.deployment == nil || t.size() < s.max() || s.min() >= s.max() {
					return
				}
				if f, ok := fenceposts(t.deployment, t.size()); ok && f.unavailable > 0 {
					r.find(t.Object, "spec.strategy.rollingUpdate.maxUnavailable", fmt.Sprintf("it is at %d of at most %d of %s: a rollout now runs with %d pods fewer than the load asks for",
						t.size(), s.max(), s.Object, f.unavailable), s.Object)
				}
			})
		},
	}
}

func fencepost() Mode {
	return Mode{
		ID: 50, Name: "fencepost", Severity: Medium,
		Summary: "at the HPA's minimum a rolling update takes all pods at once",
		Why: "maxSurge is rounded up and maxUnavailable down; where both come to 0 pods maxUnavailable counts as 1 (ResolveFenceposts): " +
			"at a minimum of 1 without a surge the only pod ends before its successor starts",
		Remedy: "set maxSurge to a number of 1 or more, and maxUnavailable: 0",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.deployment == nil || s.min() == 0 {
					return
				}
				f, ok := fenceposts(t.deployment, s.min())
				if !ok || f.unavailable < s.min() {
					return
				}
				field := "spec.strategy.rollingUpdate.maxUnavailable"
				if f.surge == 0 {
					field = "spec.strategy.rollingUpdate.maxSurge"
				}
				r.find(t.Object, field, fmt.Sprintf("at the %d of %s a rollout may take %d pods before it adds %d%s", s.min(), s.Object, f.unavailable, f.surge, rounded(t)), s.Object)
			})
		},
	}
}

// rounded says how the bounds came about, where one is a percentage.
func rounded(t *workload) string {
	r := t.deployment.Spec.Strategy.RollingUpdate
	if r != nil && r.MaxUnavailable != nil && r.MaxUnavailable.Type == intstr.Int {
		return ""
	}
	return "; percentages are rounded"
}
