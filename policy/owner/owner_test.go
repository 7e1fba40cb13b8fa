package owner

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// entry is one of managedFields.
func entry(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
}

const update, apply = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply

func TestContinuing(t *testing.T) {
	const size, labels = `{"f:spec":{"f:replicas":{}}}`, `{"f:metadata":{"f:labels":{}}}`
	tests := map[string]struct {
		fields []metav1.ManagedFieldsEntry
		want   string
	}{
		"nobody":                 {},
		"we do":                  {fields: []metav1.ManagedFieldsEntry{entry("mine", apply, "", size)}},
		"a person":               {fields: []metav1.ManagedFieldsEntry{entry("kubectl-edit", update, "", size)}},
		"client-side apply":      {fields: []metav1.ManagedFieldsEntry{entry("kubectl-client-side-apply", update, "", size)}},
		"server-side apply":      {fields: []metav1.ManagedFieldsEntry{entry("kubectl", apply, "", size)}, want: "kubectl (field manager, apply)"},
		"Argo CD":                {fields: []metav1.ManagedFieldsEntry{entry("ArgoCD-application-controller", update, "", size)}, want: "ArgoCD-application-controller (field manager, update)"},
		"of another field":       {fields: []metav1.ManagedFieldsEntry{entry("helm", update, "", labels)}},
		"of a subresource":       {fields: []metav1.ManagedFieldsEntry{entry("helm", update, "status", size)}},
		"fields that are no map": {fields: []metav1.ManagedFieldsEntry{entry("helm", update, "", `{"f:spec":[]}`)}, want: "helm (field manager, update)"},
		"the second":             {fields: []metav1.ManagedFieldsEntry{entry("kubectl-edit", update, "", labels), entry("flux", apply, "", size)}, want: "flux (field manager, apply)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Continuing(test.fields, "mine", "spec", "replicas")); diff != "" {
				t.Errorf("who goes on (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScaled(t *testing.T) {
	const size = `{"f:spec":{"f:replicas":{}}}`
	tests := map[string]struct {
		fields []metav1.ManagedFieldsEntry
		want   string
	}{
		"nobody":           {},
		"the HPA":          {fields: []metav1.ManagedFieldsEntry{entry("kubectl", update, "", `{"f:spec":{"f:template":{}}}`), entry("kube-controller-manager", update, "scale", size)}, want: "kube-controller-manager"},
		"an edit":          {fields: []metav1.ManagedFieldsEntry{entry("kubectl-edit", update, "", size)}},
		"its other fields": {fields: []metav1.ManagedFieldsEntry{entry("kube-controller-manager", update, "status", `{"f:status":{}}`)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Scaled(test.fields)); diff != "" {
				t.Errorf("who scaled (-want +got):\n%s", diff)
			}
		})
	}
}
