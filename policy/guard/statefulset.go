package guard

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func partitionDrift() Mode {
	return Mode{
		ID: 36, Name: "partition-drift", Severity: High,
		Summary: "the HPA changes the size of a StatefulSet whose update is held by a partition",
		Why: "pods with an ordinal from the partition on are of the new revision: each pod that the HPA adds there is, so that growth spreads a revision that is on trial, " +
			"and what it removes are the highest ordinals, the canaries, first",
		Remedy: "keep the size at least where the partition was set (a floor) until the update is through, and then set the partition to 0",
		Needs:  []Kind{HorizontalPodAutoscaler, StatefulSet},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.statefulSet == nil || t.statefulSet.Spec.UpdateStrategy.RollingUpdate == nil {
					return
				}
				p := t.statefulSet.Spec.UpdateStrategy.RollingUpdate.Partition
				// From the maximum on there is no pod, so that nothing drifts.
				if p == nil || *p == 0 || *p >= s.max() || w.Source == Live && t.statefulSet.Status.CurrentRevision == t.statefulSet.Status.UpdateRevision {
					return
				}
				r.find(t.Object, "spec.updateStrategy.rollingUpdate.partition", fmt.Sprintf("it is %d, and %s scales from %d to %d: pods from ordinal %d on are of the new revision", *p, s.Object, s.min(), s.max(), *p), s.Object)
			})
		},
	}
}

func orderedBlock() Mode {
	return Mode{
		ID: 37, Name: "ordered-block", Severity: High,
		Summary: "one pod of a StatefulSet does not become ready, and so the HPA's size is not reached",
		Why: "a StatefulSet with podManagementPolicy OrderedReady goes on to the next pod only when the one before is ready: with a broken one it neither grows nor updates, " +
			"and a template that is put right does not replace the broken pod",
		Remedy: "put the template right, then delete the broken pod; where the order does not matter, use podManagementPolicy: Parallel",
		Needs:  []Kind{HorizontalPodAutoscaler, StatefulSet, Pod},
		Status: true,
		check: func(w *world, r *result) {
			broken := w.brokenPods()
			w.each(func(s *scaler, t *workload) {
				d := t.statefulSet
				if d == nil || d.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
					return
				}
				p := broken[t.meta.UID]
				if p == nil || d.Status.Replicas >= t.size() && d.Status.CurrentRevision == d.Status.UpdateRevision {
					return
				}
				r.find(t.Object, "spec.podManagementPolicy", fmt.Sprintf("the pod %s is not ready for more than %s: there are %d pods of the %d that %s wants", p.Name, stuckAfter, d.Status.Replicas, t.size(), s.Object),
					written(p.TypeMeta, Pod, "v1", &p.ObjectMeta), s.Object)
			})
		},
	}
}

func pvcDelete() Mode {
	return Mode{
		ID: 38, Name: "pvc-delete", Severity: Critical,
		Summary: "each scale-in of the HPA deletes the volumes of the pods that go",
		Why:     "with persistentVolumeClaimRetentionPolicy.whenScaled: Delete the StatefulSet controller deletes the claims of the ordinals that are scaled away, and their data with them",
		Remedy:  "set whenScaled: Retain; or ignore this with the reason that the data can be lost",
		Needs:   []Kind{HorizontalPodAutoscaler, StatefulSet},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.statefulSet == nil || len(t.statefulSet.Spec.VolumeClaimTemplates) == 0 {
					return
				}
				p := t.statefulSet.Spec.PersistentVolumeClaimRetentionPolicy
				if p != nil && p.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType && s.min() < s.max() {
					r.find(t.Object, "spec.persistentVolumeClaimRetentionPolicy.whenScaled", fmt.Sprintf("%s scales it from %d to %d, and each scale-in deletes data", s.Object, s.max(), s.min()), s.Object)
				}
			})
		},
	}
}

func rollbackCount() Mode {
	return Mode{
		ID: 39, Name: "rollback-count", Severity: High,
		Summary: "there is no revision to undo a release with, so that only a whole manifest brings the old one back",
		Why: "kubectl rollout undo puts the template back and leaves the size to the HPA; with revisionHistoryLimit 0 it has nothing to go back to, " +
			"and whoever applies the old manifest in its place applies the size of that day as well",
		Remedy: "leave revisionHistoryLimit at its default of 10, or set 2 or more",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				var limit *int32
				switch {
				case t.deployment != nil:
					limit = t.deployment.Spec.RevisionHistoryLimit
				case t.statefulSet != nil:
					limit = t.statefulSet.Spec.RevisionHistoryLimit
				}
				if limit != nil && *limit == 0 {
					r.find(t.Object, "spec.revisionHistoryLimit", fmt.Sprintf("it is 0: kubectl rollout undo has nothing to go back to, while %s scales it", s.Object), s.Object)
				}
			})
		},
	}
}

// ready says whether a pod is.
func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
