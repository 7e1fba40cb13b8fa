// Package v1alpha1 is the API group diagnostics.loadline.dev/v1alpha1: what the metrics of a
// namespace are, as the adapter that answers sees them. It is read-only, and made anew for
// each answer from what that adapter has in memory.
//
// +kubebuilder:object:generate=true
// +groupName=diagnostics.loadline.dev
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=dev.loadline.diagnostics.v1alpha1
package v1alpha1
