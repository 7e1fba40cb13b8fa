//go:build e2e

// Package realnode installs Loadline as an operator does, from its own images, on a real
// node, and disturbs it there: kubelet, containerd and kube-proxy of hack/realnode, and
// pods in containers. It runs in the namespaces of bin/realnode exec (make e2e-node).
package realnode

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/realnode"
)

// The system at the pace of a test.
const (
	hpaSync   = 5 * time.Second
	downscale = 15 * time.Second // stabilization window of Remind Me's policies
)

// What all tests share: one node, in the order of the tests.
var (
	system suite.Suite
	node   *realnode.Node
	root   string // of the repository
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	routing := flag.Bool("aggregator-routing", false, "have kube-apiserver reach aggregated APIs by their pods' addresses, as some clusters do, and not through kube-proxy")
	flag.Parse()
	var err error
	if root, err = suite.Root(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	archives, err := filepath.Glob(filepath.Join(root, "bin", "images", "*.tar"))
	if err != nil || len(archives) == 0 {
		fmt.Fprintln(os.Stderr, "e2e: no images in bin/images: make e2e-node", err)
		return 1
	}
	system.Show = func(w io.Writer) { fmt.Fprint(w, state(context.Background())) }
	return system.Run(m.Run, func(ctx context.Context) (*lab.Lab, error) {
		var err error
		node, err = realnode.Start(ctx, realnode.Options{
			Images: archives, HPASyncPeriod: hpaSync, DownscaleStabilization: downscale, Log: os.Stderr,
			ExtraArgs: map[string][]string{"kube-apiserver": {fmt.Sprintf("--enable-aggregator-routing=%t", *routing)}},
		})
		if err != nil {
			return nil, err
		}
		go func() {
			select {
			case err := <-node.Failed():
				fmt.Fprintln(os.Stderr, "e2e:", err)
			case <-ctx.Done():
			}
		}()
		return lab.On(node.Cluster, node.Client, lab.Options{Root: root, DownscaleStabilization: downscale, Log: os.Stderr}), nil
	})
}

// until fails the test if check does not say true within the limit.
func until(t *testing.T, what string, limit time.Duration, check func(context.Context) (bool, string)) {
	t.Helper()
	system.Until(t, what, limit, check)
}

// pause lets time pass.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	system.Pause(t, d)
}

// state is what there is to see of the cluster when a wait was in vain.
func state(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var out strings.Builder
	for _, args := range [][]string{
		{"get", "pods,hpa,deployments,statefulsets", "-A", "-o", "wide"}, {"get", "apiservices"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"-n", adapterNamespace, "logs", "--all-pods=true", "deployment/loadline-adapter", "--tail=20"},
		{"-n", adapterNamespace, "logs", "--all-pods=true", "deployment/loadline-policy", "--tail=20"},
	} {
		text, _ := node.Kubectl(ctx, args...).CombinedOutput() // says itself what went wrong
		lines := strings.Split(string(text), "\n")
		fmt.Fprintf(&out, "--- kubectl %s\n%s\n", strings.Join(args, " "), strings.Join(lines[max(0, len(lines)-60):], "\n"))
	}
	return out.String()
}

// kubectl runs it with the administrator's rights and returns what it said.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := node.Kubectl(ctx, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// helm runs the Helm that the project builds, with its state in the test's directory.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := node.Kubectl(ctx, args...) // for its environment
	cmd.Path = filepath.Join(root, "bin", "helm")
	cmd.Args[0] = cmd.Path
	dir := t.TempDir()
	cmd.Env = append(cmd.Env, "HELM_CACHE_HOME="+dir, "HELM_CONFIG_HOME="+dir, "HELM_DATA_HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Log(state(context.WithoutCancel(t.Context())))
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
