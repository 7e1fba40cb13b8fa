//go:build e2e

package realnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestN3Kustomize installs by kustomize as docs/install.md says, both programs, has a policy
// scale, deletes a replica under reads, and uninstalls.
func TestN3Kustomize(t *testing.T) {
	kubectl(t, "apply", "-k", filepath.Join(root, "deploy", "crd"))
	manifests := filepath.Join(t.TempDir(), "everything.yaml")
	text := kubectl(t, "kustomize", filepath.Join(root, "hack", "e2e", "realnode", "everything"))
	text = strings.ReplaceAll(text, "image: loadline-adapter:dev", "image: loadline-adapter:v1")
	text = strings.ReplaceAll(text, "image: loadline-policy:dev", "image: loadline-policy:v1")
	if err := os.WriteFile(manifests, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "-f", manifests)
	step(t, "installed", installed)
	step(t, "the namespace is restricted", restricted)
	volume(t)
	if err := system.StartRemindMeByPolicies(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	sized(t, "remindmeweb", 2, 6, time.Minute)
	step(t, "an adapter pod is deleted", deletedPod)
	step(t, "uninstalled", func(t *testing.T) {
		before := hpas(t)
		t.Log(loadline(t, "uninstall", "--yes"))
		kubectl(t, "delete", "-f", manifests, "--ignore-not-found")
		gone(t, before)
	})
	kubectl(t, "delete", "namespace", remindMe)
	kubectl(t, "delete", "pv", "queue")
}
