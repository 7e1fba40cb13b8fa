package hpa

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Metadata returns what Build writes into the metadata, for an HPA whose spec is not to
// be built anew.
func Metadata(p *v1alpha1.AutoscalingPolicy) metav1.ObjectMeta { return metadata(p) }
