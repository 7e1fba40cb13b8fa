package crd

import (
	"fmt"
	"maps"
	"strings"

	_ "embed"

	"sigs.k8s.io/yaml"
)

//go:embed bad.yaml
var badInput string

// Bad is a policy with a mistake, and who says what about it. Lines are FIELD: MESSAGE.
type Bad struct {
	Name string `json:"name"`
	// PolicyName is the policy's; web if it is left out.
	PolicyName string `json:"policyName"`
	// Spec has the fields that take the place of those of a sound policy; null takes one
	// away.
	Spec map[string]any `json:"spec"`
	// Server is what an API server refuses it with; nothing where it takes it.
	Server []string `json:"server"`
	// Render are the errors of kubectl loadline render; nothing where there are none.
	Render []string `json:"render"`
}

// BadInput returns the mistakes that users make: those that the schema and its rules can
// see are refused by the API server, all that can be seen without a cluster by render.
func BadInput() ([]Bad, error) {
	var all []Bad
	// What is repeated says so in the file: aaa… of a length.
	text := badInput
	for _, n := range []int{64, 254} {
		text = strings.ReplaceAll(text, fmt.Sprintf("A*%d", n), strings.Repeat("a", n))
	}
	return all, yaml.UnmarshalStrict([]byte(text), &all)
}

// Object is the policy in a namespace; of none where that is empty.
func (b Bad) Object(namespace string) map[string]any {
	name := b.PolicyName
	if name == "" {
		name = "web"
	}
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	spec := map[string]any{
		"targetRef":  map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
		"replicas":   map[string]any{"min": int64(2), "max": int64(6)},
		"objectives": []any{map[string]any{"requestRate": map[string]any{"perPod": "50"}}},
	}
	maps.Copy(spec, b.Spec)
	maps.DeleteFunc(spec, func(_ string, v any) bool { return v == nil })
	return map[string]any{"apiVersion": "loadline.dev/v1alpha1", "kind": "AutoscalingPolicy", "metadata": metadata, "spec": spec}
}
