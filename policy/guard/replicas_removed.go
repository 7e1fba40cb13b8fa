package guard

import "fmt"

func replicasRemoved() Mode {
	return Mode{
		ID: 13, Name: "replicas-removed", Severity: Critical,
		Summary: "spec.replicas is taken out of the manifest of what an HPA scales: the next apply sets 1",
		Why: "kubectl apply deletes a field that it applied before and does not find any more, and the API server then fills in its default, 1; " +
			"a server-side apply does so unless the HPA has written the field meanwhile",
		Remedy: "take it out of the annotation first (kubectl apply edit-last-applied deployment/NAME), then apply the manifest without it; " +
			"with server-side apply, first have the HPA write the size once, so that it owns the field",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		Change: true,
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				before := w.old.byKey[s.target]
				if before == nil {
					return
				}
				const field = "spec.replicas"
				if w.Source == Manifests {
					if t.replicas == nil && before.replicas != nil && *before.replicas != 1 {
						r.find(t.Object, field, fmt.Sprintf("the manifest had %d and now has none: the size falls to 1 until %s raises it to %d", *before.replicas, s.Object, s.min()), s.Object)
					}
					return
				}
				if was := appliedReplicas(before.meta); was != nil && appliedReplicas(t.meta) == nil && t.size() == 1 && before.size() > 1 {
					r.find(t.Object, field, fmt.Sprintf("kubectl apply takes it away: the size falls from %d to 1", before.size()), s.Object)
				}
			})
		},
	}
}
