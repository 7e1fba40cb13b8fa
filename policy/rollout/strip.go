package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Strip makes a Deployment, StatefulSet, ReplicationController or Service small for a cache
// of many: it keeps what a View and Pods are made of, and what every cache needs. The pod template, the
// largest part by far, becomes an annotation. It changes o, which the caller owns, and
// returns it; other objects stay as they are. What comes of it must never be written.
func Strip(o any) (any, error) {
	switch w := o.(type) {
	case *appsv1.Deployment:
		w.ObjectMeta = stripped(&w.ObjectMeta, &w.Spec.Template)
		w.Spec = appsv1.DeploymentSpec{Replicas: w.Spec.Replicas, Paused: w.Spec.Paused, Selector: w.Spec.Selector, Template: labelsOf(&w.Spec.Template)}
		for i := range w.Status.Conditions {
			w.Status.Conditions[i].Message = ""
		}
	case *appsv1.StatefulSet:
		w.ObjectMeta = stripped(&w.ObjectMeta, &w.Spec.Template)
		w.Spec = appsv1.StatefulSetSpec{Replicas: w.Spec.Replicas, UpdateStrategy: w.Spec.UpdateStrategy, Selector: w.Spec.Selector, Template: labelsOf(&w.Spec.Template)}
		w.Status.Conditions = nil
	case *corev1.ReplicationController:
		w.ObjectMeta = bare(&w.ObjectMeta)
		spec := corev1.ReplicationControllerSpec{Replicas: w.Spec.Replicas, Selector: w.Spec.Selector}
		if t := w.Spec.Template; t != nil {
			spec.Template = ptr.To(labelsOf(t))
		}
		w.Spec = spec
		w.Status.Conditions = nil
	case *corev1.Service:
		w.ObjectMeta = bare(&w.ObjectMeta)
		w.Spec = corev1.ServiceSpec{Selector: w.Spec.Selector}
		w.Status = corev1.ServiceStatus{}
	}
	return o, nil
}

func labelsOf(t *corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: t.Labels}}
}

func stripped(m *metav1.ObjectMeta, t *corev1.PodTemplateSpec) metav1.ObjectMeta {
	out := bare(m)
	out.Annotations = map[string]string{RevisionAnnotation: revision(m.Annotations, t)}
	return out
}

func bare(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
}
