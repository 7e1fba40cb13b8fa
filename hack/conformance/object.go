package conformance

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one that the API server of the cases serves.
type kind struct {
	schema.GroupVersionResource
	name       string
	namespaced bool
}

// kinds are those of Kubernetes that people scale on, and two of custom resources.
func kinds() []kind {
	of := func(group, version, resource, name string, namespaced bool) kind {
		return kind{schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, name, namespaced}
	}
	return []kind{
		of("", "v1", "pods", "Pod", true),
		of("", "v1", "nodes", "Node", false),
		of("", "v1", "namespaces", "Namespace", false),
		of("", "v1", "services", "Service", true),
		of("", "v1", "configmaps", "ConfigMap", true),
		of("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true),
		of("", "v1", "persistentvolumes", "PersistentVolume", false),
		of("", "v1", "replicationcontrollers", "ReplicationController", true),
		of("apps", "v1", "deployments", "Deployment", true),
		of("apps", "v1", "statefulsets", "StatefulSet", true),
		of("apps", "v1", "daemonsets", "DaemonSet", true),
		of("apps", "v1", "replicasets", "ReplicaSet", true),
		of("batch", "v1", "jobs", "Job", true),
		of("batch", "v1", "cronjobs", "CronJob", true),
		of("networking.k8s.io", "v1", "ingresses", "Ingress", true),
		of("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true),
		of("example.com", "v1", "widgets", "Widget", true),
		of("example.com", "v1", "tenants", "Tenant", false),
	}
}

// singular is how a configuration or an object of a case names the kind.
func (k kind) singular() string { return strings.ToLower(k.name) }

// groupPath is where the kind's version of its API group is served.
func (k kind) groupPath() string {
	if k.Group == "" {
		return "/api/" + k.Version
	}
	return "/apis/" + k.Group + "/" + k.Version
}

// object is what the API server has of one: its metadata, and the phase of a pod.
type object struct {
	kind
	meta  metav1.ObjectMeta
	phase string
}

// parseObject reads "KIND [NAMESPACE/]NAME [LABEL=VALUE]… [(PHASE)]", such as
// "pod shop/web-1 app=web" or "deployment.apps shop/web". A pod is Running unless another
// phase is given; (Terminating) is no phase but a time of deletion.
func parseObject(text string) (object, error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return object{}, fmt.Errorf("%q: give a kind and a name", text)
	}
	gr := schema.ParseGroupResource(words[0])
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.Group == gr.Group && k.singular() == gr.Resource })
	if i < 0 {
		return object{}, fmt.Errorf("%q: there is no kind %q", text, words[0])
	}
	o := object{kind: kinds()[i], phase: "Running", meta: metav1.ObjectMeta{ResourceVersion: "1", Labels: map[string]string{}}}
	namespace, name, namespaced := strings.Cut(words[1], "/")
	if o.meta.Namespace, o.meta.Name = namespace, name; !namespaced {
		o.meta.Namespace, o.meta.Name = "", words[1]
	}
	if namespaced != o.namespaced {
		return object{}, fmt.Errorf("%q: a %s is namespaced, or is not", text, o.name)
	}
	for _, word := range words[2:] {
		key, value, isLabel := strings.Cut(word, "=")
		switch {
		case isLabel:
			o.meta.Labels[key] = value
		case word == "(Terminating)":
			o.meta.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}
		case strings.HasPrefix(word, "(") && strings.HasSuffix(word, ")"):
			o.phase = strings.Trim(word, "()")
		default:
			return object{}, fmt.Errorf("%q: %q is neither LABEL=VALUE nor (PHASE)", text, word)
		}
	}
	return o, nil
}
