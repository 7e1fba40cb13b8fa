//go:build e2e

package policy

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
	"text/template"
	"time"

	"github.com/loadline/loadline/hack/lab"
)

// content is what the repository holds: the values of testdata/shop.
type content struct {
	Workload, HPA, Orphan bool
	Max                   int32
}

// gitOpsTool brings a namespace to what a repository holds, and tells the difference.
type gitOpsTool interface {
	in(t *testing.T, namespace string) gitOpsTool
	// sync writes what is in Git, and deletes what is no longer there.
	sync(t *testing.T, git content)
	// drift is what the tool shows as different, empty for nothing.
	drift(t *testing.T, git content) string
	// manager is the name by which it applies server-side, empty where it does not.
	manager() string
}

// gitOpsTools are the tools, in the ways of each to write and to know what is its own.
// No name has a comma: it becomes part of a path, and kubectl would take that for two.
func gitOpsTools() map[string]gitOpsTool {
	return map[string]gitOpsTool{
		"Helm server-side":                  helm{serverSide: true},
		"Helm client-side":                  helm{},
		"Flux":                              flux{},
		"Argo CD client-side by label":      argocd{tracking: "label"},
		"Argo CD server-side by annotation": argocd{tracking: "annotation", serverSide: true},
	}
}

func shop() string {
	return filepath.Join(os.Getenv("LOADLINE_ROOT"), "hack", "e2e", "policy", "testdata", "shop")
}

// program runs one of the tools that make e2e-gitops builds, and returns what it
// printed and its exit code.
func program(t *testing.T, env []string, name string, args ...string) (out string, code int) {
	t.Helper()
	path := filepath.Join(os.Getenv("LOADLINE_ROOT"), "bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: make e2e-gitops builds it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), append(env, "KUBECONFIG="+system.Cluster.Kubeconfig())...)
	return combined(t, cmd)
}

// combined runs a command that may end with any exit code.
func combined(t *testing.T, cmd *exec.Cmd) (out string, code int) {
	t.Helper()
	data, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, data)
	}
	t.Logf("%s %s: exit code %d\n%s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), cmd.ProcessState.ExitCode(), data)
	return string(data), cmd.ProcessState.ExitCode()
}

// done fails the test where a program fails.
func done(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, code := program(t, env, name, args...)
	if code != 0 {
		t.Fatalf("%s failed", name)
	}
	return out
}

// differs is the output of a program that ends with 1 where it found a difference, and
// empty where it ends with 0.
func differs(t *testing.T, out string, code int) string {
	t.Helper()
	switch code {
	case 0:
		return ""
	case 1:
		return out
	}
	t.Fatalf("it cannot be told what differs: exit code %d", code)
	return ""
}

// rendered writes what the repository holds into a file.
func rendered(t *testing.T, namespace string, git content) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shop(), "templates", "shop.yaml"))
	must(t, err)
	chart, err := template.New("shop").Parse(string(text))
	must(t, err)
	var out bytes.Buffer
	must(t, chart.Execute(&out, map[string]any{
		"Release": map[string]any{"Namespace": namespace},
		"Values":  map[string]any{"workload": git.Workload, "hpa": git.HPA, "max": git.Max, "orphan": git.Orphan},
	}))
	file := filepath.Join(t.TempDir(), "shop.yaml")
	must(t, os.WriteFile(file, out.Bytes(), 0o600))
	return file
}

// unforced fails if a change by a field manager needs force: somebody else owns fields.
func unforced(t *testing.T, manager, namespace string, git content) {
	t.Helper()
	git.Max += 7
	kubectl(t, "apply", "--server-side", "--dry-run=server", "--field-manager="+manager, "-f", rendered(t, namespace, git))
}

// helm installs the shop as a release.
type helm struct {
	serverSide bool
	namespace  string
	env        []string
}

func (h helm) in(t *testing.T, namespace string) gitOpsTool {
	h.namespace = namespace
	for _, kind := range []string{"CACHE", "CONFIG", "DATA"} {
		h.env = append(h.env, "HELM_"+kind+"_HOME="+t.TempDir())
	}
	return h
}

func (h helm) manager() string {
	if h.serverSide {
		return "helm"
	}
	return ""
}

func (h helm) sync(t *testing.T, git content) {
	t.Helper()
	if git == (content{}) {
		done(t, h.env, "helm", "uninstall", "shop", "--namespace="+h.namespace)
		return
	}
	done(t, h.env, "helm", "upgrade", "--install", "shop", shop(), "--namespace="+h.namespace, fmt.Sprintf("--server-side=%t", h.serverSide),
		"--set", fmt.Sprintf("workload=%t,hpa=%t,max=%d,orphan=%t", git.Workload, git.HPA, git.Max, git.Orphan))
}

// drift compares the release with the cluster. Helm itself does not tell drift. What it
// adds to a manifest when it writes it is not in what it says of a release.
func (h helm) drift(t *testing.T, _ content) string {
	t.Helper()
	objects, err := lab.Decode([]byte(done(t, h.env, "helm", "get", "manifest", "shop", "--namespace="+h.namespace)))
	must(t, err)
	var release bytes.Buffer
	for _, o := range objects {
		o.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": h.namespace})
		data, err := o.MarshalJSON()
		must(t, err)
		release.Write(data)
	}
	args := []string{"diff", "-f", "-"}
	if h.serverSide {
		args = append(args, "--server-side", "--field-manager="+h.manager(), "--force-conflicts")
	}
	cmd := system.Cluster.Kubectl(t.Context(), args...)
	cmd.Stdin = &release
	out, code := combined(t, cmd)
	return differs(t, out, code)
}

// flux applies the shop as a Kustomization.
type flux struct {
	namespace, inventory string
}

func (f flux) in(t *testing.T, namespace string) gitOpsTool {
	f.namespace, f.inventory = namespace, filepath.Join(t.TempDir(), "inventory")
	return f
}

func (f flux) manager() string { return "kustomize-controller" }

func (f flux) args(t *testing.T, command string, git content) []string {
	return []string{command, "--name=shop", "--namespace=" + f.namespace, "--inventory=" + f.inventory, rendered(t, f.namespace, git)}
}

func (f flux) sync(t *testing.T, git content) {
	t.Helper()
	done(t, nil, "flux", f.args(t, "sync", git)...)
}

func (f flux) drift(t *testing.T, git content) string {
	t.Helper()
	out, code := program(t, nil, "flux", f.args(t, "diff", git)...)
	return differs(t, out, code)
}

// remember puts an object into the inventory, as if an earlier sync had made it.
func (f flux) remember(t *testing.T, id string) {
	t.Helper()
	file, err := os.OpenFile(f.inventory, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	_, err = file.WriteString(id + "\n")
	must(t, err)
}

// argocd applies the shop as an Application.
type argocd struct {
	tracking   string
	serverSide bool
	namespace  string
}

func (a argocd) in(t *testing.T, namespace string) gitOpsTool {
	a.namespace = namespace
	return a
}

func (a argocd) manager() string {
	if a.serverSide {
		return "argocd-controller"
	}
	return ""
}

func (a argocd) args(t *testing.T, command string, git content) []string {
	return []string{command, "--app=shop", "--namespace=" + a.namespace, "--tracking=" + a.tracking,
		fmt.Sprintf("--server-side=%t", a.serverSide), rendered(t, a.namespace, git)}
}

func (a argocd) sync(t *testing.T, git content) {
	t.Helper()
	done(t, nil, "argocd", a.args(t, "sync", git)...)
}

func (a argocd) drift(t *testing.T, git content) string {
	t.Helper()
	out, code := program(t, nil, "argocd", a.args(t, "diff", git)...)
	return differs(t, out, code)
}

// tree is what Argo CD shows below each object.
func (a argocd) tree(t *testing.T, git content) string {
	t.Helper()
	return done(t, nil, "argocd", a.args(t, "tree", git)...)
}
