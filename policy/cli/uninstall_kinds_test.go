package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// All that deploy/policy and its components put into a cluster is found by its label and
// its kind, so that uninstall leaves nothing of it behind.
func TestUninstallKnowsWhatIsDeployed(t *testing.T) {
	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(deploy + "/components/policy-*")
	if err != nil || len(all) < 2 {
		t.Fatalf("%v, %v", all, err)
	}
	managed := slices.DeleteFunc(slices.Clone(all), func(c string) bool { return strings.HasPrefix(filepath.Base(c), "policy-webhook-") })
	for name, components := range map[string][]string{
		"a certificate that is managed":     managed,
		"one that is given by cert-manager": all, // which takes away what the managed one needs
	} {
		t.Run(name, func(t *testing.T) { uninstallKnows(t, deploy, components) })
	}
}

func uninstallKnows(t *testing.T, deploy string, components []string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	relative := func(path string) string {
		to, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	text := fmt.Sprintf("resources: [%s, %s]\ncomponents:\n", relative(deploy+"/policy"), relative(deploy+"/examples/switch"))
	for _, c := range components {
		text += "- " + relative(c) + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, k := range slices.Concat(otherKinds(), operatorKinds(), []kind{webhooks(), deployments()}) {
		known = append(known, k.resource.GroupVersion().String()+" "+k.name)
	}
	key, value, _ := strings.Cut(component, "=")
	var left []string
	for _, r := range rendered.Resources() {
		kind := r.GetApiVersion() + " " + r.GetKind()
		if kind == "v1 Namespace" { // others may live in it
			continue
		}
		if r.GetLabels()[key] != value || !slices.Contains(known, kind) {
			left = append(left, kind+" "+r.GetName())
		}
	}
	if diff := cmp.Diff([]string(nil), left); diff != "" {
		t.Errorf("uninstall leaves: %s", diff)
	}
}
