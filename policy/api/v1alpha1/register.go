package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of the types of this package.
var GroupVersion = schema.GroupVersion{Group: "loadline.dev", Version: "v1alpha1"}

// Kind and Plural are the policy's two names.
const (
	Kind   = "AutoscalingPolicy"
	Plural = "autoscalingpolicies"
)

// AddToScheme makes the types known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &AutoscalingPolicy{}, &AutoscalingPolicyList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
