package crd

import (
	"maps"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// kubectl explain has a text for each field that is ours.
func TestEveryFieldIsExplained(t *testing.T) {
	fields := 0
	var walk func(at string, s apiextensionsv1.JSONSchemaProps)
	walk = func(at string, s apiextensionsv1.JSONSchemaProps) {
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			property := s.Properties[name]
			fields++
			if property.Description == "" && at+name != "metadata" {
				t.Errorf("%s%s has no text", at, name)
			}
			walk(at+name+".", property)
		}
		if s.Items != nil && s.Items.Schema != nil {
			walk(at, *s.Items.Schema)
		}
	}
	walk("", *definition(t).Spec.Versions[0].Schema.OpenAPIV3Schema)
	if fields < 100 {
		t.Errorf("only %d fields", fields)
	}
}
