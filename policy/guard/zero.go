package guard

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

func greenAtZero() Mode {
	return Mode{
		ID: 16, Name: "green-at-zero", Severity: High,
		Summary: "what the HPA scales is at 0 replicas, which switches the HPA off",
		Why:     "at 0 replicas an HPA with a minimum of 1 or more does nothing (ScalingDisabled, horizontal.go:914-920), and a raised minReplicas does not wake it",
		Remedy:  "set 1 or more through kubectl scale once; if it is meant to be off, ignore this with the reason",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				// KEDA wakes what it has put to sleep; at a minimum of 0 it is GUARD-17.
				if s.keda || t.replicas == nil || *t.replicas != 0 || s.min() == 0 && w.Source == Live || wokenBy(s) {
					return
				}
				r.find(t.Object, "spec.replicas", fmt.Sprintf("it is 0: %s (%d to %d) scales nothing until somebody raises it", s.Object, s.min(), s.max()), s.Object)
			})
		},
	}
}

// wokenBy says whether the HPA itself scaled to zero, and so wakes its target.
func wokenBy(s *scaler) bool {
	c := condition(s.hpa, autoscalingv2.ScaledToZero)
	return c != nil && c.Status == corev1.ConditionTrue
}

func zeroLimbo() Mode {
	return Mode{
		ID: 17, Name: "zero-limbo", Severity: High,
		Summary: "what the HPA may scale to zero is at zero, and the HPA does not know that it was its own work",
		Why: "the HPA writes the size first and the condition ScaledToZero afterwards (horizontal.go:998,1040,1071): a write to the HPA in between loses the condition, " +
			"and without it a target at 0 is taken for switched off",
		Remedy: "set 1 or more through kubectl scale; write nothing to an HPA while it is near zero",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		Status: true,
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if s.keda || t.size() != 0 || s.min() != 0 || wokenBy(s) {
					return
				}
				r.find(t.Object, "spec.replicas", fmt.Sprintf("it is 0, %s may scale to 0, and has no condition ScaledToZero: nothing wakes it, unless a person wanted it off", s.Object), s.Object)
			})
		},
	}
}
