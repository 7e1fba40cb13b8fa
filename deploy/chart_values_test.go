package deploy_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// Each value is explained where it is.
func TestChartValuesAreExplained(t *testing.T) {
	values := chartValues(t)
	if len(values) < 50 {
		t.Errorf("only %d values", len(values))
	}
	for path, v := range values {
		if v.HeadComment == "" {
			t.Errorf("line %d: %s has no comment above it", v.Line, path)
		}
	}
}

// The schema knows each value that there is, and no other: a value that is misspelt, or was
// taken away, is refused.
func TestChartSchemaIsWhole(t *testing.T) {
	data, err := os.ReadFile("chart/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root schemaNode
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	values := chartValues(t)
	var known []string
	root.leaves("", func(path string, open bool) {
		known = append(known, path)
		if open {
			t.Errorf("%s takes any property", path)
		}
	}, func(path string) bool { return values[path] != nil })
	// Helm's own, for charts that have this one among their dependencies.
	known = slices.DeleteFunc(known, func(path string) bool { return path == "global" })
	slices.Sort(known)
	var want []string
	for path := range values {
		want = append(want, path)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("(-values.yaml +schema):\n%s", diff)
	}
}

// schemaNode is what is looked at of a JSON schema.
type schemaNode struct {
	Properties           map[string]*schemaNode
	AdditionalProperties any
}

// leaves calls each with the paths of what has no properties, or is a leaf of the values.
// open is what takes properties that it does not know.
func (n *schemaNode) leaves(path string, each func(path string, open bool), leaf func(string) bool) {
	if len(n.Properties) == 0 || leaf(path) {
		each(path, len(n.Properties) > 0 && n.AdditionalProperties != false)
		return
	}
	if n.AdditionalProperties != false {
		each(path, true)
	}
	for name, p := range n.Properties {
		p.leaves(strings.TrimPrefix(path+"."+name, "."), each, leaf)
	}
}

// chartValues are the keys of values.yaml that stand for a value: all but those that only
// hold others, one a line.
func chartValues(t *testing.T) map[string]*yaml.Node {
	t.Helper()
	data, err := os.ReadFile("chart/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	out := map[string]*yaml.Node{}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
				walk(at, value)
				continue
			}
			out[at] = key
		}
	}
	walk("", document.Content[0])
	return out
}
