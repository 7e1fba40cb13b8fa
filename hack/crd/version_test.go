package crd

import (
	"maps"
	"slices"
	"testing"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// The rules use nothing that Kubernetes 1.30, the oldest version that the README names,
// does not have in rules that are new to it: what CEL had in 1.29
// (DefaultCompatibilityVersion). In a server of 1.29 it is format that is missing.
func TestRulesAreOfTheOldestVersion(t *testing.T) {
	if n := wrongRules(t, newServer(t).structural, 29); n > 0 {
		t.Errorf("%d rules are wrong in Kubernetes 1.30", n)
	}
	if wrongRules(t, newServer(t).structural, 28) == 0 {
		t.Error("the rules are right in 1.29, too: say so in the README, or this test sees nothing")
	}
}

// wrongRules counts the rules below a schema, their messages included, that CEL of a
// minor version cannot compile.
func wrongRules(t *testing.T, root *structuralschema.Structural, minor uint) int {
	t.Helper()
	env, wrong, rules := environment.MustBaseEnvSet(version.MajorMinor(1, minor)), 0, 0
	var walk func(s *structuralschema.Structural, at string)
	walk = func(s *structuralschema.Structural, at string) {
		if len(s.XValidations) > 0 {
			results, err := cel.Compile(s, model.SchemaDeclType(s, at == ""), celconfig.PerCallLimit, env, cel.NewExpressionsEnvLoader())
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			for _, r := range results {
				rules++
				if r.Error != nil || r.MessageExpressionError != nil {
					t.Logf("CEL of 1.%d: %s: %v %v", minor, at, r.Error, r.MessageExpressionError)
					wrong++
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			property := s.Properties[name]
			walk(&property, at+"."+name)
		}
		if s.Items != nil {
			walk(s.Items, at+"[]")
		}
	}
	walk(root, "")
	if rules == 0 {
		t.Fatal("there is no rule at all")
	}
	return wrong
}
