package guard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func v1Roundtrip() Mode {
	return Mode{
		ID: 29, Name: "v1-roundtrip", Severity: Medium,
		Summary: "an HPA is written in a version that loses its metrics, or that is gone",
		Why: "autoscaling/v1 knows CPU only and keeps all else in annotations: an object replaced through it without them loses metrics and behavior; " +
			"autoscaling/v2beta1 is served until Kubernetes 1.24, autoscaling/v2beta2 until 1.25",
		Remedy: "write it in autoscaling/v2",
		Needs:  []Kind{HorizontalPodAutoscaler},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				const field = "apiVersion"
				switch {
				case s.policy != nil || s.keda:
				case s.version == "v2beta1" || s.version == "v2beta2":
					r.find(s.Object, field, fmt.Sprintf("no Kubernetes since %s has autoscaling/%s", gone(s.version), s.version))
				case s.version == "v1" && len(v1Annotations(s)) > 0:
					r.advise(s.Object, field, fmt.Sprintf("what autoscaling/v1 does not know is in the annotations %s", strings.Join(v1Annotations(s), ", ")),
						"write it in autoscaling/v2, with the metrics in spec.metrics")
				case s.version == "v1" && w.old != nil && w.losesMetrics(s):
					r.find(s.Object, field, "it was autoscaling/v2 with more than a share of the CPU: as autoscaling/v1 it loses that")
				}
			}
		},
	}
}

// gone is the first version of Kubernetes without a version of autoscaling.
func gone(v string) string {
	if v == "v2beta1" {
		return "1.25"
	}
	return "1.26"
}

// v1Annotations are those in which autoscaling/v1 keeps what it has no fields for.
func v1Annotations(s *scaler) []string {
	var found []string
	for _, k := range slices.Sorted(maps.Keys(s.meta.Annotations)) {
		if k == "autoscaling.alpha.kubernetes.io/metrics" || k == "autoscaling.alpha.kubernetes.io/behavior" {
			found = append(found, k)
		}
	}
	return found
}

// losesMetrics says whether the HPA had what autoscaling/v1 cannot say.
func (w *world) losesMetrics(s *scaler) bool {
	before := w.old.named[s.key()]
	if before == nil || before.version != "v2" {
		return false
	}
	if before.hpa.Spec.Behavior != nil || len(before.hpa.Spec.Metrics) > 1 {
		return true
	}
	of, container, ok := utilization(&before.hpa.Spec.Metrics[0])
	return !ok || of != "cpu" || container != ""
}
