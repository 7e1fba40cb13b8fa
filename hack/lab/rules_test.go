package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// ruleFile is a configuration of which nothing is known but that it is lists of
// rules, so that no field of a rule escapes the comparison.
type ruleFile map[string][]map[string]any

func parseRules(t *testing.T, data []byte) ruleFile {
	t.Helper()
	var f ruleFile
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRulesAreThoseOfTheBase: the lab's rules begin with those of deploy/overlays/prometheus,
// in order, and differ from them in nothing but the window, 1m there and
// RateWindow here.
func TestRulesAreThoseOfTheBase(t *testing.T) {
	read := func(path ...string) ruleFile {
		data, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return parseRules(t, data)
	}
	base, ours := read("..", "..", "deploy", "overlays", "prometheus", "config.yaml"), read("rules", "config.yaml")
	windows := 0
	for list, rules := range base {
		for _, rule := range rules {
			query, _ := rule["metricsQuery"].(string)
			windows += strings.Count(query, "[1m]")
			rule["metricsQuery"] = strings.ReplaceAll(query, "[1m]", "["+RateWindow.String()+"]")
		}
		if n := len(rules); len(ours[list]) > n {
			ours[list] = ours[list][:n] // the rest is the lab's own
		}
	}
	for list := range ours {
		if base[list] == nil {
			delete(ours, list)
		}
	}
	if windows == 0 {
		t.Error("deploy/overlays/prometheus has no window of 1m any more: this test compares what it does not know")
	}
	if diff := cmp.Diff(base, ours); diff != "" {
		t.Errorf("hack/lab/rules/config.yaml does not follow deploy/overlays/prometheus/config.yaml (-base, with the lab's window +lab):\n%s", diff)
	}
}

// TestAdapterGetsTheRules: what the lab applies holds its own rules, in the
// ConfigMap that the Deployment mounts.
func TestAdapterGetsTheRules(t *testing.T) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "adapter")
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	deployment := Find(objects, "Deployment", AdapterDeployment)
	if deployment == nil {
		t.Fatal("no Deployment")
	}
	volumes, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "volumes")
	if err != nil || len(volumes) != 1 {
		t.Fatalf("%d volumes, %v; want the one of the rules", len(volumes), err)
	}
	mounted, _, err := unstructured.NestedString(volumes[0].(map[string]any), "configMap", "name")
	if err != nil {
		t.Fatal(err)
	}
	config := Find(objects, "ConfigMap", mounted)
	if config == nil {
		t.Fatalf("no ConfigMap %q", mounted)
	}
	want, err := os.ReadFile(filepath.Join("rules", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := config.Object["data"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"config.yaml": string(want)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
