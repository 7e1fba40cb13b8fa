package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of the types of this package.
var GroupVersion = schema.GroupVersion{Group: "diagnostics.loadline.dev", Version: "v1alpha1"}

// Plural and Singular are the names of the one resource.
const (
	Plural   = "metrics"
	Singular = "metric"
)

// AddToScheme makes the types known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &Metric{}, &MetricList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
