package guard

import (
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/quota"
)

// workload is whatever makes pods of a template.
type workload struct {
	Object
	kind Kind // of today: an extensions/v1beta1 Deployment's is Deployment
	meta *metav1.ObjectMeta
	// scales: it has a scale subresource.
	scales bool
	// replicas as written; nil if they are not, or there is no such field.
	replicas *int32
	// running and ready are counted by its controller; of live objects only.
	running, ready int32
	match          map[string]string // matchLabels of its selector
	selector       labels.Selector   // nil if it has none
	template       *corev1.PodTemplateSpec
	at             string // field of the template

	deployment  *appsv1.Deployment  // where it is one
	statefulSet *appsv1.StatefulSet // where it is one
	rollout     *unstructured.Unstructured
}

// pods are the labels of the pods that it makes.
func (w *workload) pods() map[string]string {
	if w.template == nil {
		return nil
	}
	return w.template.Labels
}

// size is the replica count with the default of the API server.
func (w *workload) size() int32 {
	if w.replicas == nil {
		return 1
	}
	return *w.replicas
}

// CurrentKind is what a group and kind are called today: those that moved from the group
// extensions to apps are one with what they are now.
func CurrentKind(gk schema.GroupKind) Kind {
	if gk.Group == "extensions" {
		switch gk.Kind {
		case "Deployment", "ReplicaSet", "DaemonSet":
			gk.Group = "apps"
		}
	}
	return KindOf(gk)
}

// written is how an object of ours is named where its TypeMeta is empty, as a typed
// client leaves it.
func written(t metav1.TypeMeta, k Kind, version string, meta *metav1.ObjectMeta) Object {
	gk := k.GroupKind()
	apiVersion := schema.GroupVersion{Group: gk.Group, Version: version}.String()
	if t.APIVersion != "" {
		apiVersion = t.APIVersion
	}
	return object(apiVersion, gk.Kind, meta)
}

func (w *workload) selects(s *metav1.LabelSelector) *workload {
	if s == nil {
		// Versions before apps/v1 took the template's labels.
		if w.scales && len(w.pods()) > 0 {
			w.match, w.selector = maps.Clone(w.pods()), labels.SelectorFromSet(w.pods())
		}
		return w
	}
	w.match = s.MatchLabels
	if parsed, err := metav1.LabelSelectorAsSelector(s); err == nil && !parsed.Empty() {
		w.selector = parsed
	}
	return w
}

func workloads(s *Snapshot) []*workload {
	var all []*workload
	const template = "spec.template"
	for _, d := range s.Deployments {
		all = append(all, (&workload{
			Object: written(d.TypeMeta, Deployment, "v1", &d.ObjectMeta), kind: Deployment, meta: &d.ObjectMeta, scales: true,
			replicas: d.Spec.Replicas, running: d.Status.Replicas, ready: d.Status.ReadyReplicas, template: &d.Spec.Template, at: template, deployment: d,
		}).selects(d.Spec.Selector))
	}
	for _, d := range s.StatefulSets {
		all = append(all, (&workload{
			Object: written(d.TypeMeta, StatefulSet, "v1", &d.ObjectMeta), kind: StatefulSet, meta: &d.ObjectMeta, scales: true,
			replicas: d.Spec.Replicas, running: d.Status.Replicas, ready: d.Status.ReadyReplicas, template: &d.Spec.Template, at: template, statefulSet: d,
		}).selects(d.Spec.Selector))
	}
	for _, d := range s.ReplicaSets {
		all = append(all, (&workload{
			Object: written(d.TypeMeta, ReplicaSet, "v1", &d.ObjectMeta), kind: ReplicaSet, meta: &d.ObjectMeta, scales: true,
			replicas: d.Spec.Replicas, running: d.Status.Replicas, ready: d.Status.ReadyReplicas, template: &d.Spec.Template, at: template,
		}).selects(d.Spec.Selector))
	}
	for _, d := range s.ReplicationControllers {
		w := &workload{
			Object: written(d.TypeMeta, ReplicationController, "v1", &d.ObjectMeta), kind: ReplicationController, meta: &d.ObjectMeta, scales: true,
			replicas: d.Spec.Replicas, running: d.Status.Replicas, ready: d.Status.ReadyReplicas, template: d.Spec.Template, at: template,
		}
		var selector *metav1.LabelSelector
		if len(d.Spec.Selector) > 0 {
			selector = &metav1.LabelSelector{MatchLabels: d.Spec.Selector}
		}
		all = append(all, w.selects(selector))
	}
	for _, d := range s.DaemonSets {
		all = append(all, (&workload{
			Object: written(d.TypeMeta, DaemonSet, "v1", &d.ObjectMeta), kind: DaemonSet, meta: &d.ObjectMeta, template: &d.Spec.Template, at: template,
		}).selects(d.Spec.Selector))
	}
	for _, d := range s.Jobs {
		all = append(all, &workload{Object: written(d.TypeMeta, Job, "v1", &d.ObjectMeta), kind: Job, meta: &d.ObjectMeta, template: &d.Spec.Template, at: template})
	}
	for _, d := range s.CronJobs {
		all = append(all, &workload{
			Object: written(d.TypeMeta, CronJob, "v1", &d.ObjectMeta), kind: CronJob, meta: &d.ObjectMeta,
			template: &d.Spec.JobTemplate.Spec.Template, at: "spec.jobTemplate.spec.template",
		})
	}
	for _, u := range s.Others {
		if KindOf(u.GroupVersionKind().GroupKind()) == Rollout {
			all = append(all, rollout(u))
		}
	}
	return all
}

// rollout reads what an Argo Rollout has of a Deployment.
func rollout(u *unstructured.Unstructured) *workload {
	meta := &metav1.ObjectMeta{Namespace: u.GetNamespace(), Name: u.GetName(), Labels: u.GetLabels(), OwnerReferences: u.GetOwnerReferences()}
	w := &workload{Object: object(u.GetAPIVersion(), u.GetKind(), meta), kind: Rollout, meta: meta, scales: true, at: "spec.template", rollout: u}
	if n, ok, err := unstructured.NestedInt64(u.Object, "spec", "replicas"); ok && err == nil {
		replicas := int32(n)
		w.replicas = &replicas
	}
	if t, ok, err := unstructured.NestedMap(u.Object, "spec", "template"); ok && err == nil {
		template := &corev1.PodTemplateSpec{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(t, template) == nil {
			w.template = template
		}
	}
	m, ok, err := unstructured.NestedMap(u.Object, "spec", "selector")
	selector := &metav1.LabelSelector{}
	if ok && err == nil && runtime.DefaultUnstructuredConverter.FromUnstructured(m, selector) == nil {
		return w.selects(selector)
	}
	return w
}

// container returns the index of a container of the template, -1 if there is none of
// this name, and the field of the list that it is in.
func (w *workload) container(name string) (field string, c *corev1.Container) {
	if w.template == nil {
		return "", nil
	}
	for i := range w.template.Spec.Containers {
		if c := &w.template.Spec.Containers[i]; c.Name == name {
			return path(w.at, "spec.containers", i), c
		}
	}
	for i := range w.template.Spec.InitContainers {
		if c := &w.template.Spec.InitContainers[i]; c.Name == name && quota.Sidecar(c) {
			return path(w.at, "spec.initContainers", i), c
		}
	}
	return "", nil
}

// mapField is a field that is a key of a map; one with dots needs brackets.
func mapField(at, name string) string {
	if strings.ContainsAny(name, "./") {
		return at + "[" + name + "]"
	}
	return at + "." + name
}
