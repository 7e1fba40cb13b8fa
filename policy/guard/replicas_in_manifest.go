package guard

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lastApplied is where kubectl apply keeps what it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func replicasInManifest() Mode {
	return Mode{
		ID: 12, Name: "replicas-in-manifest", Severity: High,
		Summary: "the manifest of what an HPA scales has a replica count: every apply resets the size",
		Why:     "an apply writes every field that the manifest has; the HPA puts its size back at its next sync, pods come and go meanwhile",
		Remedy: "leave spec.replicas out of the manifest; of a workload that was applied with it, hand the field over first: " +
			"kubectl apply edit-last-applied and delete it there, or with server-side apply let the HPA write it once",
		Needs: []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				const field = "spec.replicas"
				if w.Source == Manifests {
					// 0 is GUARD-16, and what the HPA would set anyway does no harm.
					if t.replicas != nil && *t.replicas != 0 && (s.min() != s.max() || *t.replicas != s.min()) {
						r.find(t.Object, field, fmt.Sprintf("the manifest sets %d, and %s scales it from %d to %d", *t.replicas, s.Object, s.min(), s.max()), s.Object)
					}
					return
				}
				if by := appliesReplicas(t.meta); by != "" {
					r.find(t.Object, field, fmt.Sprintf("%s, and %s scales it from %d to %d", by, s.Object, s.min(), s.max()), s.Object)
				}
			})
		},
	}
}

// appliesReplicas says who will set the replica count again at the next apply; empty if
// nobody is known to.
func appliesReplicas(meta *metav1.ObjectMeta) string {
	if appliedReplicas(meta) != nil {
		return "kubectl apply sets spec.replicas each time, as " + lastApplied + " says"
	}
	for _, m := range meta.ManagedFields {
		if m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Spec map[string]any `json:"f:spec"`
		}
		if json.Unmarshal([]byte(m.FieldsV1.String()), &fields) != nil {
			continue
		}
		if _, ok := fields.Spec["f:replicas"]; ok {
			return fmt.Sprintf("the manager %s applies spec.replicas", m.Manager)
		}
	}
	return ""
}

// appliedReplicas is the replica count that kubectl apply sent last; nil if there was
// none.
func appliedReplicas(meta *metav1.ObjectMeta) *int32 {
	var applied struct {
		Spec struct{ Replicas *int32 }
	}
	if json.Unmarshal([]byte(meta.Annotations[lastApplied]), &applied) != nil {
		return nil
	}
	return applied.Spec.Replicas
}
