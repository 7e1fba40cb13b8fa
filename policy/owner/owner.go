// Package owner tells from an object's metadata who goes on writing it.
package owner

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// gitops are managers that write what is in a repository again and again, by prefix.
var gitops = []string{"helm", "argocd", "kustomize-controller", "helm-controller", "flux", "terraform", "pulumi", "hashicorp"}

// Continuing names the field manager, other than mine, that writes a field of an object
// again and again, or any field where none is given; it is empty if there is none. A field
// is a path such as spec, selector. kubectl's imperative commands and its client-side apply
// are people's; a server-side apply and the tools of GitOps come back.
func Continuing(fields []metav1.ManagedFieldsEntry, mine string, field ...string) string {
	for _, m := range fields {
		if m.Manager == mine || m.Subresource != "" || !comesBack(&m) || !owns(&m, field) {
			continue
		}
		return fmt.Sprintf("%s (field manager, %s)", m.Manager, strings.ToLower(string(m.Operation)))
	}
	return ""
}

func comesBack(m *metav1.ManagedFieldsEntry) bool {
	return m.Operation == metav1.ManagedFieldsOperationApply || slices.ContainsFunc(gitops, func(p string) bool {
		return strings.HasPrefix(strings.ToLower(m.Manager), p)
	})
}

// owns says whether an entry has a field. What cannot be read is taken to have it.
func owns(m *metav1.ManagedFieldsEntry, field []string) bool {
	if len(field) == 0 {
		return true
	}
	if m.FieldsV1 == nil {
		return false
	}
	raw := m.FieldsV1.GetRawBytes()
	for _, name := range field {
		var level map[string]json.RawMessage
		if err := json.Unmarshal(raw, &level); err != nil {
			return true
		}
		next, ok := level["f:"+name]
		if !ok {
			return false
		}
		raw = next
	}
	return true
}

// Scaled names the manager whose write through the scale subresource spec.replicas is of;
// empty where it is of none, as after an edit of the object itself.
func Scaled(fields []metav1.ManagedFieldsEntry) string {
	for _, m := range fields {
		if m.Subresource == "scale" && owns(&m, []string{"spec", "replicas"}) {
			return m.Manager
		}
	}
	return ""
}
