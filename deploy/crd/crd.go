// Package crd holds the CustomResourceDefinition that is checked in here, for programs
// that read policies without a cluster.
package crd

import _ "embed"

//go:embed loadline.dev_autoscalingpolicies.yaml
var autoscalingPolicies string

// AutoscalingPolicies returns the definition as YAML.
func AutoscalingPolicies() string { return autoscalingPolicies }
