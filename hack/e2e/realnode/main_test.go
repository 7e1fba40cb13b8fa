//go:build e2e

// Package realnode installs Loadline as an operator does, from its own images, on a real
// node, and disturbs it there: kubelet, containerd and kube-proxy of hack/realnode, and
// pods in containers. It runs in the namespaces of bin/realnode exec (make e2e-node).
package realnode

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	node   *realnode.Node
	system *lab.Lab
	root   string // of the repository
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	routing := flag.Bool("aggregator-routing", false, "have kube-apiserver reach aggregated APIs by their pods' addresses, as some clusters do, and not through kube-proxy")
	flag.Parse()
	if root = os.Getenv("LOADLINE_ROOT"); root == "" {
		fmt.Fprintln(os.Stderr, "e2e: LOADLINE_ROOT must name the repository: make e2e-node")
		return 1
	}
	archives, err := filepath.Glob(filepath.Join(root, "bin", "images", "*.tar"))
	if err != nil || len(archives) == 0 {
		fmt.Fprintln(os.Stderr, "e2e: no images in bin/images: make e2e-node", err)
		return 1
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	began := time.Now()
	node, err = realnode.Start(ctx, realnode.Options{
		Images: archives, HPASyncPeriod: hpaSync, DownscaleStabilization: downscale, Log: os.Stderr,
		ExtraArgs: map[string][]string{"kube-apiserver": {fmt.Sprintf("--enable-aggregator-routing=%t", *routing)}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		if err := node.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	}()
	fmt.Fprintf(os.Stderr, "e2e: the node is ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	system = lab.On(node.Cluster, node.Client, lab.Options{Root: root, DownscaleStabilization: downscale, Log: os.Stderr})
	go func() {
		select {
		case err := <-node.Failed():
			fmt.Fprintln(os.Stderr, "e2e:", err)
		case <-ctx.Done():
		}
	}()
	return m.Run()
}

// until fails the test if check does not say true within the limit.
func until(t *testing.T, what string, limit time.Duration, check func(context.Context) (bool, string)) {
	t.Helper()
	began := time.Now()
	if err := lab.Until(t.Context(), what, limit, check); err != nil {
		t.Log(state(context.WithoutCancel(t.Context())))
		t.Fatal(err)
	}
	t.Logf("%s: after %s", what, time.Since(began).Round(10*time.Millisecond))
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
