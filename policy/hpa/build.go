package hpa

import (
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// What Build writes into an HPA's metadata.
const (
	// ManagedByLabel has the value ManagedBy on every HPA of ours.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedBy      = "loadline"
	// PolicyLabel has the policy's name.
	PolicyLabel = "loadline.dev/policy"
	// PolicyUIDAnnotation has the policy's UID: one of the same name made later is
	// another policy.
	PolicyUIDAnnotation = "loadline.dev/policy-uid"
	// MinAnnotation has replicas.min: who removes the floors without the policy finds
	// there what to go back to.
	MinAnnotation = "loadline.dev/min"
)

// Build returns the HPA of p with the floors in force, and what is wrong or doubtful
// about p: all that Check finds, and what a cluster with these capabilities refuses or
// drops. The HPA is nil where a Problem is an Error. It shares no memory with the
// arguments, and the same arguments give the same HPA.
//
// Every field of its spec is set but the tolerances, which only spec.behavior can ask
// for. Of p's metadata it takes name, namespace and UID, and no label or annotation:
// those of GitOps tools would make the HPA theirs. A policy without UID, such as one
// from a file, is not written as its owner.
func Build(p *v1alpha1.AutoscalingPolicy, floors []v1alpha1.Floor, c Capabilities) (*autoscalingv2.HorizontalPodAutoscaler, []Problem) {
	found := append(Check(p), unsupported(p, c)...)
	if Failed(found) {
		return nil, found
	}
	scaled := p.Scaled()
	min, _ := EffectiveMin(p.Spec.Replicas.Min, p.Spec.Replicas.Max, floors)
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: autoscalingv2.SchemeGroupVersion.String(), Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: Metadata(p),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: reference(scaled.APIVersion, scaled.Kind, scaled.Name),
			MinReplicas:    &min,
			MaxReplicas:    p.Spec.Replicas.Max,
			Metrics:        Metrics(p),
			Behavior:       Behavior(&p.Spec, c),
		},
	}, found
}

// Metadata returns the metadata of the HPA of p, for one whose spec is not Build's: of a
// policy that is paused or that no longer makes sense, the HPA keeps the spec it has.
func Metadata(p *v1alpha1.AutoscalingPolicy) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{
		Name:        p.Name,
		Namespace:   p.Namespace,
		Labels:      map[string]string{ManagedByLabel: ManagedBy, PolicyLabel: p.Name},
		Annotations: map[string]string{MinAnnotation: strconv.Itoa(int(p.Spec.Replicas.Min))},
	}
	if p.UID == "" {
		return meta
	}
	meta.Annotations[PolicyUIDAnnotation] = string(p.UID)
	// An HPA that is to outlive its policy has no owner from the start: the garbage
	// collector would not wait for anyone to take the reference away.
	if p.Spec.DeletionPolicy != v1alpha1.Orphan {
		meta.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(),
			Kind:       v1alpha1.Kind,
			Name:       p.Name,
			UID:        p.UID,
			Controller: ptr.To(true),
			// No blockOwnerDeletion: it takes the right to write the finalizers of policies.
		}}
	}
	return meta
}
