//go:build e2e

package deploy_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// pair is one way to put the parts together: the lines of a kustomization, with files that are
// applied beside it, and values of the chart.
type pair struct {
	kustomize []string
	values    string
	files     []string
}

// The chart makes the objects that kustomize makes, all of them and no others, in the
// namespace of deploy and in another. normal has what differs.
func TestChartIsKustomize(t *testing.T) {
	for name, p := range chartPairs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			for _, r := range kustomized(t, p.kustomize) {
				data, err := r.AsYAML()
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString("---\n" + string(data))
			}
			for _, file := range p.files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString("---\n" + string(data))
			}
			for _, namespace := range []string{"loadline-system", "elsewhere"} {
				want := objectsOf(t, strings.ReplaceAll(text.String(), "loadline-system", namespace))
				delete(want, "v1 Namespace /"+namespace) // Helm has to have it before the release
				got := objectsOf(t, templated(t, namespace, p.values, "--skip-tests"))
				if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" || len(got) == 0 {
					t.Errorf("in %s, %d objects (-kustomize +chart):\n%s", namespace, len(got), diff)
				}
				for name := range want {
					if diff := cmp.Diff(want[name], got[name]); diff != "" && got[name] != nil {
						t.Errorf("%s (-kustomize +chart):\n%s", name, diff)
					}
				}
			}
		})
	}
}

// Whatever kustomize can put together the chart can.
func TestChartHasEveryVariant(t *testing.T) {
	values, not := ofVariants(), notOfTheChart()
	for name := range variants() {
		if _, is := values[name]; is == (not[name] != "") {
			t.Errorf("%s: has values: %v; why it has none: %q", name, is, not[name])
		}
	}
	for name := range values {
		if variants()[name] == nil {
			t.Errorf("%s is no variant", name)
		}
	}
	var text strings.Builder
	for _, p := range chartPairs() {
		text.WriteString(strings.Join(p.kustomize, "\n"))
	}
	components, err := filepath.Glob("components/*")
	if err != nil || len(components) < 10 {
		t.Fatal(components, err)
	}
	for _, c := range components {
		if !strings.Contains(text.String(), filepath.ToSlash(c)) {
			t.Errorf("%s: in no pair", c)
		}
	}
}

// helm lint finds nothing to say of any of them.
func TestChartLint(t *testing.T) {
	for name, p := range chartPairs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, p.values, "lint", "--strict", "chart")
			if err != nil || strings.Contains(out, "[WARNING]") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// Values that mean nothing, or could not work, are refused before anything is applied.
func TestChartRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"adapter: {replicsa: 3}":                                            "additional properties 'replicsa' not allowed",
		"policys: {}":                                                       "additional properties 'policys' not allowed",
		"adapter: {replicas: 0}":                                            "minimum: got 0, want 1",
		"adapter: {certificate: {mode: certmanager}}":                       "value must be one of 'selfManaged', 'certManager', 'given'",
		"adapter: {resources: {limits: {memory: 1G}}}":                      "does not match pattern",
		"adapter: {prometheus: {url: 'prometheus:9090'}}":                   "does not match pattern",
		"adapter: {extraArgs: [prewarm=false]}":                             "does not match pattern",
		"policy: {metrics: {fence: {from: []}}}":                            "minItems: got 0, want 1",
		"adapter: {config: {rule: []}}":                                     "additional properties 'rule' not allowed",
		"adapter: {apiServices: {metrics: true}}":                           "adapter.config has no resourceRules",
		"adapter: {config: {externalRules: [{}]}}":                          "adapter.config has no rules",
		"adapter: {config: {rules: [{}]}}":                                  "adapter.config has no externalRules",
		"adapter: {prometheus: {url: 'http://p'}, config: {sources: [{}]}}": "adapter.config has no rules",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, values, "template", "loadline", "chart")
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%v, want %q\n%s", err, want, out)
			}
		})
	}
}

// A changed configuration has a new name, by which it rolls out, and an equal one has not.
func TestChartRollsOut(t *testing.T) {
	named := map[string]string{}
	for _, values := range []string{"{}", "adapter: {replicas: 3}", "adapter: {config: {exporters: []}}", "adapter: {prometheus: {url: 'http://a'}}", "adapter: {prometheus: {url: 'http://b'}}"} {
		named[values] = strings.Join(hashed.FindAllString(templated(t, "ns", values), 2), " ")
	}
	if named["{}"] != named["adapter: {replicas: 3}"] {
		t.Errorf("named anew without a change: %v", named)
	}
	delete(named, "adapter: {replicas: 3}")
	seen := map[string]string{}
	for values, names := range named {
		if seen[names] != "" || len(names) == 0 {
			t.Errorf("%s and %s have the names %q", values, seen[names], names)
		}
		seen[names] = values
	}
}

// hashed are the ConfigMaps whose names have a sum of what is in them, each tool its own.
var hashed = regexp.MustCompile(`\b(loadline-adapter-(?:config|settings))-[0-9a-z]{10}\b`)

// objectsOf are the objects of a text, by what they are called.
func objectsOf(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	objects := map[string]map[string]any{}
	for _, document := range strings.Split("\n"+text, "\n---") {
		var o map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if o == nil {
			continue
		}
		name := normal(t, o, text)
		if objects[name] != nil {
			t.Errorf("%s is there twice", name)
		}
		objects[name] = o
	}
	return objects
}

// normal takes from an object what has to differ, and says how it is called: the labels and
// the annotation that are Helm's, the sums in names, how the configuration is written, and the
// order of an environment.
func normal(t *testing.T, o map[string]any, all string) string {
	t.Helper()
	meta := o["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		of, _ := meta[field].(map[string]any)
		delete(of, "helm.sh/chart")
		delete(of, "helm.sh/resource-policy")
		if of["app.kubernetes.io/managed-by"] == "Helm" {
			delete(of, "app.kubernetes.io/managed-by")
		}
	}
	if data, ok := o["data"].(map[string]any); ok && data["config.yaml"] != nil {
		var config map[string]any
		if err := yaml.UnmarshalStrict([]byte(data["config.yaml"].(string)), &config); err != nil {
			t.Fatal(err)
		}
		data["config.yaml"] = config
	}
	namespace, _ := meta["namespace"].(string)
	name := meta["name"].(string)
	if o["kind"] == "ConfigMap" {
		// The Deployment has this one, and none that is not there.
		if sum := hashed.FindString(name); sum != name || strings.Count(all, name) < 2 {
			t.Errorf("ConfigMap %s: nobody has it, or a change would not roll out", name)
		}
		name = hashed.ReplaceAllString(name, "$1")
	}
	maps.Copy(o, walk(o, func(s string) string { return hashed.ReplaceAllString(s, "$1") }).(map[string]any))
	return strings.Join([]string{o["apiVersion"].(string), o["kind"].(string), namespace + "/" + name}, " ")
}

// walk changes every string of a value, and puts the environment of containers, whose order
// a patch of kustomize's changes, into the order of its names.
func walk(v any, change func(string) string) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = walk(v[key], change)
		}
		if env, ok := v["env"].([]any); ok {
			slices.SortStableFunc(env, func(a, b any) int {
				return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
			})
		}
	case []any:
		for i := range v {
			v[i] = walk(v[i], change)
		}
	case string:
		return change(v)
	}
	return v
}

// templated is what helm template prints.
func templated(t *testing.T, namespace, values string, args ...string) string {
	t.Helper()
	out, err := helm(t, values, append([]string{"template", "loadline", "chart", "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// helm runs the program that make verify-chart builds, with values, and returns what it
// printed: of a failure stderr, too.
func helm(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../bin/helm", append(args, "--values", "-")...)
	cmd.Stdin = strings.NewReader(values)
	home := t.TempDir() // no plugin and no setting of whoever runs this
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "HELM_CACHE_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}
