package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// tracking is how Argo CD knows what is an application's.
type tracking struct {
	mark  func(o *unstructured.Unstructured, app string)
	owner func(o *unstructured.Unstructured) (app string)
}

// byLabel is the method label, for long the default one. The label is one that Helm
// charts set, too.
var byLabel = tracking{
	mark: func(o *unstructured.Unstructured, app string) {
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[instanceLabel] = app
		o.SetLabels(labels)
	},
	owner: func(o *unstructured.Unstructured) string { return o.GetLabels()[instanceLabel] },
}

// byAnnotation is the method annotation. Its value names the object as well, so that
// one that was copied to another object says nothing.
var byAnnotation = tracking{
	mark: func(o *unstructured.Unstructured, app string) {
		annotations := o.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[idAnnotation] = app + identity(o)
		o.SetAnnotations(annotations)
	},
	owner: func(o *unstructured.Unstructured) string {
		id, rest := o.GetAnnotations()[idAnnotation], identity(o)
		if len(id) <= len(rest) || id[len(id)-len(rest):] != rest {
			return ""
		}
		return id[:len(id)-len(rest)]
	},
}

const (
	instanceLabel = "app.kubernetes.io/instance"
	idAnnotation  = "argocd.argoproj.io/tracking-id"
)

func identity(o *unstructured.Unstructured) string {
	gvk := o.GroupVersionKind()
	return fmt.Sprintf(":%s/%s:%s/%s", gvk.Group, gvk.Kind, o.GetNamespace(), o.GetName())
}
