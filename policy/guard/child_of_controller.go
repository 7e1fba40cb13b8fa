package guard

import (
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func childOfController() Mode {
	return Mode{
		ID: 5, Name: "child-of-controller", Severity: Critical,
		Summary: "the HPA's target belongs to a controller that sets its size itself",
		Why: "a Deployment writes the size of its ReplicaSets, an Argo Rollout scales down the Deployment of its workloadRef, an operator writes what it made: " +
			"each undoes what the HPA writes",
		Remedy: "scale what owns the target",
		Needs:  []Kind{HorizontalPodAutoscaler},
		Also:   []Kind{Deployment, ReplicaSet, Rollout},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				field := s.field("spec.scaleTargetRef")
				if parent := w.rollouts[s.target]; parent != nil {
					r.advise(s.Object, field, fmt.Sprintf("the Rollout %s runs the %s by its workloadRef", parent.Name, s.targetName()),
						fmt.Sprintf("scale the Rollout: apiVersion: %s, kind: Rollout, name: %s", parent.APIVersion, parent.Name), parent.Object)
					continue
				}
				if name := w.deploymentOf(s); name != "" {
					parent := Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: s.Namespace, Name: name}
					r.advise(s.Object, field, fmt.Sprintf("the %s is named as those of a Deployment %s", s.targetName(), name),
						fmt.Sprintf("scale the Deployment %s in its place: apiVersion: apps/v1", name), parent)
					continue
				}
				owner := w.ownerOf(s)
				if owner == nil || sameOwner(owner, metav1.GetControllerOf(s.meta)) {
					continue // a controller that made both knows what it does
				}
				r.advise(s.Object, field, fmt.Sprintf("the %s belongs to the %s %s", s.targetName(), owner.Kind, owner.Name),
					fmt.Sprintf("scale the %s %s in its place, if it can be scaled: apiVersion: %s", owner.Kind, owner.Name, owner.APIVersion),
					Object{APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: s.Namespace, Name: owner.Name})
			}
		},
	}
}

// generated matches the name of a Deployment's ReplicaSet: a hash of the template in the
// letters of k8s.io/apimachinery/pkg/util/rand. deploy/admission has the same.
var generated = regexp.MustCompile(`^(.+)-[bcdfghjklmnpqrstvwxz2456789]{8,10}$`)

// deploymentOf is the Deployment after which a target that is not here is named, as its
// ReplicaSets are; empty if it is not.
func (w *world) deploymentOf(s *scaler) string {
	if s.target.kind != ReplicaSet || s.of != nil {
		return ""
	}
	if m := generated.FindStringSubmatch(s.target.name); m != nil {
		return m[1]
	}
	return ""
}

// ownerOf is the controller of a target, nil if it has none.
func (w *world) ownerOf(s *scaler) *metav1.OwnerReference {
	if s.of != nil {
		return metav1.GetControllerOf(s.of.meta)
	}
	if u := w.customs[s.target]; u != nil {
		return metav1.GetControllerOf(u)
	}
	return nil
}

func sameOwner(a, b *metav1.OwnerReference) bool { return b != nil && a.UID == b.UID }

// rolloutReferences are the Rollouts by the workload that they run without a template
// of their own.
func (w *world) rolloutReferences() map[key]*workload {
	all := map[key]*workload{}
	for _, t := range w.workloads {
		if t.rollout == nil {
			continue
		}
		kind, _, _ := unstructured.NestedString(t.rollout.Object, "spec", "workloadRef", "kind")
		name, _, _ := unstructured.NestedString(t.rollout.Object, "spec", "workloadRef", "name")
		version, _, _ := unstructured.NestedString(t.rollout.Object, "spec", "workloadRef", "apiVersion")
		if name != "" {
			all[Object{APIVersion: version, Kind: kind, Namespace: t.Namespace, Name: name}.key()] = t
		}
	}
	return all
}
