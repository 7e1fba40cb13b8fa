package guard

import "fmt"

func targetMissing() Mode {
	return Mode{
		ID: 1, Name: "target-missing", Severity: High,
		Summary: "the HPA's target does not exist",
		Why:     "the HPA cannot read the scale (FailedGetScale, horizontal.go:872-880): nothing is scaled, and minReplicas and maxReplicas are not enforced either",
		Remedy:  "correct the reference, or add the object",
		Needs:   append([]Kind{HorizontalPodAutoscaler}, Workloads()...),
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				there, known := w.exists(s.target)
				switch {
				case there || unscalableKind(s.target.kind) || wrongKind(w, s) != "":
				case !known:
					r.skip(s.Object, fmt.Sprintf("objects of the kind %s were not gathered", s.target.kind))
				case w.paused(s) != nil: // GUARD-44
				case w.Source == Manifests && w.deploymentOf(s) != "": // GUARD-5, and in nobody's manifests
				default:
					r.find(s.Object, s.field("spec.scaleTargetRef.name"), fmt.Sprintf("there is no %s in the namespace %s%s", s.targetName(), s.Namespace, w.elsewhere(s)), s.targetObject())
				}
			}
		},
	}
}

// elsewhere hints at a target of the same name in another namespace.
func (w *world) elsewhere(s *scaler) string {
	for _, t := range w.workloads {
		if t.Name == s.target.name && t.kind == s.target.kind {
			return fmt.Sprintf("; there is one in the namespace %s", t.Namespace)
		}
	}
	return ""
}
