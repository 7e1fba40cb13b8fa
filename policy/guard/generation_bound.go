package guard

import "fmt"

func generationBound() Mode {
	return Mode{
		ID: 4, Name: "generation-bound", Severity: Critical,
		Summary: "the HPA's target is a ReplicationController or ReplicaSet, which a release replaces by another",
		Why: "a release with them makes a new controller and scales the old one to 0; the HPA stays with the old one, pushes it back to its minimum while it is drained, " +
			"is disabled once it is at 0 (horizontal.go:914-920), and nothing scales the new one",
		Remedy: "make it a Deployment, and name that: it stays the same through every release",
		Needs:  []Kind{HorizontalPodAutoscaler},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				if s.target.kind != ReplicationController && s.target.kind != ReplicaSet {
					continue
				}
				if s.of != nil && w.maker(s.of.meta) != nil || w.deploymentOf(s) != "" {
					continue // GUARD-5
				}
				r.find(s.Object, s.field("spec.scaleTargetRef"), fmt.Sprintf("the target is the %s: the next release leaves the HPA behind", s.targetName()))
			}
		},
	}
}
