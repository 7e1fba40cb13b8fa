// Package v1alpha1 is the API group loadline.dev/v1alpha1: the AutoscalingPolicy.
//
// +kubebuilder:object:generate=true
// +groupName=loadline.dev
package v1alpha1
