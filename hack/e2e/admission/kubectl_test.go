//go:build e2e

package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// kubectl runs the cluster's own kubectl with a manifest, and returns what it says to
// its user (stderr) and its exit code.
func kubectl(t *testing.T, ns, manifest string, args ...string) (said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := system.Cluster.Kubectl(ctx, append([]string{"--namespace=" + ns}, args...)...)
	cmd.Stdin = strings.NewReader(manifest)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	t.Logf("kubectl %s: exit code %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), &stdout, &stderr)
	return stderr.String(), cmd.ProcessState.ExitCode()
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {example.com/nowhere: "true"}
      containers: [{name: app, image: example.com/app:IMAGE, resources: {requests: {cpu: 100m}}}]
`

func manifest(replicas, image string) string {
	return strings.NewReplacer("REPLICAS", replicas, "IMAGE", image).Replace(deployment)
}

// replicas is the Deployment's number.
func replicas(t *testing.T, ns string) int64 {
	t.Helper()
	d, err := somebody.Resource(resources["Deployment"]).Namespace(ns).Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	n, _, _ := unstructured.NestedInt64(d.Object, "spec", "replicas")
	return n
}

// speaking is a line of kubectl's, without what is the same in all of them.
func speaking(message, policy string) string {
	return "Warning: Validation failed for ValidatingAdmissionPolicy '" + policy + "' with binding '" + policy + "': " + message
}

// What a person at kubectl sees, applying client-side and server-side: the warning before
// it happens in a dry run, and when it happens; the refusal with exit code 1; nothing at
// what is right.
func TestKubectl(t *testing.T) {
	for name, way := range map[string][]string{
		"client-side": {"apply", "-f", "-"},
		"server-side": {"apply", "--server-side", "-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t, nil)
			silent := func(manifest string, args ...string) {
				t.Helper()
				if said, code := kubectl(t, ns, manifest, args...); code != 0 || strings.Contains(said, "loadline") {
					t.Errorf("kubectl %s: exit code %d", strings.Join(args, " "), code)
				}
			}
			warned := func(message, policy, manifest string, args ...string) {
				t.Helper()
				said, code := kubectl(t, ns, manifest, args...)
				if code != 0 || !strings.Contains(said, speaking(message, policy)) {
					t.Errorf("exit code %d, and not said: %s", code, message)
				}
			}
			silent(manifest("replicas: 3", "v1"), way...)
			canary(t, ns)
			autoscale := []string{"autoscale", "deployment/web", "--min=2", "--max=9", "--cpu=70%"}
			if name == "client-side" {
				warned("12 replicas-in-manifest: the manifest of Deployment web declares spec.replicas, which",
					"loadline-12-replicas-in-manifest-of-deployment", "", autoscale...)
			} else {
				silent("", autoscale...) // what an applier owns is seen only in the applier's own write
			}
			known(t, ns)

			// As the HPA would, without a word.
			silent("", "scale", "deployment/web", "--replicas=5")
			if name == "client-side" {
				fromTo := "12 replicas-in-manifest: spec.replicas from 5 to 3 is what HorizontalPodAutoscaler web decides on Deployment web: "
				dryRun := append(append([]string{}, way...), "--dry-run=server")
				warned(fromTo, "loadline-12-replicas-in-manifest", manifest("replicas: 3", "v2"), dryRun...)
				if n := replicas(t, ns); n != 5 {
					t.Errorf("a dry run: %d replicas", n)
				}
				warned(fromTo, "loadline-12-replicas-in-manifest", manifest("replicas: 3", "v2"), way...)
			} else {
				// kubectl scale took the field over; the applier takes it back.
				forced := append(append([]string{}, way...), "--force-conflicts")
				warned("12 replicas-in-manifest: spec.replicas from 5 to 3 is what", "loadline-12-replicas-in-manifest", manifest("replicas: 3", "v2"), forced...)
			}
			removed := "13 replicas-removed: the manifest of Deployment web no longer declares spec.replicas, so this apply takes it from 3 to 1, "
			warned(removed, "loadline-13-replicas-removed", manifest("", "v2"), append(append([]string{}, way...), "--dry-run=server")...)
			if n := replicas(t, ns); n != 3 {
				t.Errorf("a dry run: %d replicas", n)
			}
			warned(removed, "loadline-13-replicas-removed", manifest("", "v2"), way...)
			silent(manifest("", "v3"), way...)
			silent("", "scale", "deployment/web", "--replicas=4")
			silent("", "rollout", "restart", "deployment/web")

			said, code := kubectl(t, ns, "", "autoscale", "deployment/web", "--name=second", "--max=20", "--cpu=70%")
			refusal := "ValidatingAdmissionPolicy 'loadline-07-two-writers' with binding 'loadline-07-two-writers' denied request: " +
				"07 two-writers: HorizontalPodAutoscaler web scales Deployment web already. "
			if code != 1 || !strings.Contains(said, refusal) {
				t.Errorf("a second HPA: exit code %d", code)
			}
			silent("", "delete", "hpa/web")
			silent("", "delete", "deployment/web")
		})
	}
}

// known waits until admission knows the HPA of the Deployment web.
func known(t *testing.T, ns string) {
	t.Helper()
	o := hpa("probe", "Deployment", "web")
	system.Until(t, "admission knows the HPA", soon, func(ctx context.Context) (bool, string) {
		_, err := of(somebody, ns, o).Create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInvalid(err), fmt.Sprint(err)
	})
	heard.take()
}

// kubectl apply edit-last-applied is the way out that the messages name: after it the
// field can leave the manifest, and the number stays.
func TestTheWayOut(t *testing.T) {
	ns := namespace(t, nil)
	if _, code := kubectl(t, ns, manifest("replicas: 3", "v1"), "apply", "-f", "-"); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	editor := filepath.Join(t.TempDir(), "editor")
	must(t, os.WriteFile(editor, []byte("#!/bin/sh\nsed -i '/replicas:/d' \"$1\"\n"), 0o700))
	cmd := system.Cluster.Kubectl(t.Context(), "--namespace="+ns, "apply", "edit-last-applied", "deployment/web")
	cmd.Env = append(cmd.Env, "KUBE_EDITOR="+editor)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if said, code := kubectl(t, ns, "", "autoscale", "deployment/web", "--min=2", "--max=9", "--cpu=70%"); code != 0 || said != "" {
		t.Errorf("exit code %d", code)
	}
	known(t, ns)
	if said, code := kubectl(t, ns, manifest("", "v2"), "apply", "-f", "-"); code != 0 || said != "" {
		t.Errorf("exit code %d", code)
	}
	if n := replicas(t, ns); n != 3 {
		t.Errorf("%d replicas, want 3", n)
	}
}

// The API server finds no fault with the types of any expression.
func TestTypes(t *testing.T) {
	system.Until(t, "all policies checked", time.Minute, func(ctx context.Context) (bool, string) {
		list, err := somebody.Resource(resources["ValidatingAdmissionPolicy"]).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		unchecked, ours := []string{}, 0
		for _, p := range list.Items {
			if !strings.HasPrefix(p.GetName(), "loadline-") {
				continue
			}
			ours++
			if seen, _, _ := unstructured.NestedInt64(p.Object, "status", "observedGeneration"); seen != p.GetGeneration() {
				unchecked = append(unchecked, p.GetName())
			}
			found, _, _ := unstructured.NestedSlice(p.Object, "status", "typeChecking", "expressionWarnings")
			for _, w := range found {
				t.Errorf("%s: %v", p.GetName(), w)
			}
		}
		return ours > 0 && len(unchecked) == 0 || t.Failed(), fmt.Sprintf("%d policies, unchecked: %v", ours, unchecked)
	})
}

// The component turns refusals into warnings, and back; without the manifests nothing is
// said any more. It is the last test: there are no policies after it.
func TestZUninstall(t *testing.T) {
	ns := namespace(t, nil)
	canary(t, ns)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	relative := func(path ...string) string {
		r, err := filepath.Rel(dir, manifests(path...))
		must(t, err)
		return r
	}
	kustomization := "resources: [" + relative("deploy", "admission") + "]\ncomponents: [" + relative("deploy", "components", "admission-warn") + "]\n"
	must(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(kustomization), 0o600))
	o := hpa("second", "Deployment", "canary")
	seen := func(what string, want func(err error, said string) bool) {
		t.Helper()
		system.Until(t, what, soon, func(ctx context.Context) (bool, string) {
			heard.take()
			_, err := of(somebody, ns, o).Create(ctx, o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			said := strings.Join(heard.take(), "\n")
			return want(err, said), fmt.Sprint(err, said)
		})
	}
	refused := func(err error, _ string) bool { return apierrors.IsInvalid(err) }
	warned := func(err error, said string) bool { return err == nil && strings.Contains(said, "07 two-writers: ") }
	silent := func(err error, said string) bool { return err == nil && said == "" }

	seen("refused", refused)
	for _, step := range []struct {
		what string
		want func(error, string) bool
		args []string
	}{
		{"only warned about", warned, []string{"apply", "-k", dir}},
		{"refused again", refused, []string{"apply", "-k", manifests("deploy", "admission")}},
		{"uninstalled", silent, []string{"delete", "-k", manifests("deploy", "admission")}},
	} {
		if _, code := kubectl(t, ns, "", step.args...); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		seen(step.what, step.want)
	}
}
