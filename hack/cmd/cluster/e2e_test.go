//go:build e2e

package main

// Run: go test -tags e2e -v ./hack/cmd/cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/lab"
)

// commandUnderTest is the built command with a cache of its own, so that the
// cluster that a person has up is left alone. Only the servers are shared.
func commandUnderTest(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	tools, err := build.Locate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	servers := filepath.Dir(filepath.Dir(tools.Path("kubectl")))
	if err := os.Symlink(servers, filepath.Join(dir, "tools")); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "cluster")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "LOADLINE_CACHE="+dir)
		return cmd
	}
	downOnSignal(t, command)
	return command
}

// downOnSignal ends the tests on Ctrl-C and takes down what is up, which is in a
// session of its own and hears nothing of it. A signal skips the tests' cleanup.
func downOnSignal(t *testing.T, command func(args ...string) *exec.Cmd) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	t.Cleanup(func() { signal.Stop(signals); close(done) })
	go func() {
		select {
		case <-signals:
			out, err := command("down").CombinedOutput()
			fmt.Fprintf(os.Stderr, "interrupted: down: %v\n%s", err, out)
			os.Exit(1)
		case <-done:
		}
	}()
}

func must(t *testing.T, cmd *exec.Cmd, want string) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Fatalf("%s: %v; want %q in\n%s", cmd, err, want, out)
	}
	return string(out)
}

// TestUpAndDown: the lines of `up` give a kubectl that finds a node and a
// Prometheus that runs on it; in a namespace, Remind Me's manifests become
// processes that are ready. `down` leaves no process.
func TestUpAndDown(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.CheckPrograms(root); err != nil {
		t.Fatal(err)
	}
	const node = "kubectl wait --for=condition=Ready node/process-node-0 --timeout=10s &&" +
		" kubectl -n monitoring rollout status deployment/prometheus --timeout=10s"
	for name, tc := range map[string]struct {
		flags          []string
		commands, want string
	}{
		"namespace": {nil, node + " && kubectl apply -k " + root + "/deploy/examples/remindme/manifests &&" +
			" kubectl -n remindme rollout status deployment/remindmeweb-deployment --timeout=30s &&" +
			" kubectl -n remindme logs deployment/remindmeweb-deployment && echo it has a log", "it has a log"},
		"host network": {[]string{"--host-network"}, node, "successfully rolled out"},
	} {
		t.Run(name, func(t *testing.T) {
			command := commandUnderTest(t)
			if out, err := command("status").CombinedOutput(); err == nil {
				t.Fatalf("status before up: %s", out)
			}
			must(t, command("down"), "no cluster is up")
			lines := must(t, command(append([]string{"up", "--root=" + root}, tc.flags...)...), "export KUBECONFIG=")
			t.Cleanup(func() { _ = command("down").Run() })
			must(t, command("up"), "already up")
			must(t, command("status"), "export KUBECONFIG=")
			// What a person does with the lines.
			must(t, exec.Command("sh", "-c", lines+"\n"+tc.commands), tc.want)
			must(t, command("down"), "the cluster is down")
			if left := processesOf(t, filepath.Join(filepath.Dir(command().Path), "run")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if out, err := command("status").CombinedOutput(); err == nil {
				t.Errorf("status after down: %s", out)
			}
		})
	}
}

// TestUpAfterACrash kills the background process, which must take all with it,
// and starts again.
func TestUpAfterACrash(t *testing.T) {
	command := commandUnderTest(t)
	must(t, command("up", "--kwok=false"), "export KUBECONFIG=")
	t.Cleanup(func() { _ = command("down").Run() })
	dir := runDir(filepath.Join(filepath.Dir(command().Path), "run"))
	s, ok, err := dir.read()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		// By their command lines, which name the state directory.
		left := processesOf(t, dir.cluster())
		if len(left) == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("outlived the background process: %v", left)
		case <-tick.C:
		}
	}
	if out, err := command("status").CombinedOutput(); err == nil {
		t.Errorf("status after the crash: %s", out)
	}
	must(t, command("up", "--kwok=false"), "export KUBECONFIG=")
	must(t, command("down"), "the cluster is down")
	if left := processesOf(t, dir.cluster()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestUpSaysWhatEnded: when Prometheus is killed, `up`'s log names it and the node
// starts it again; when the process of the node is killed, all ends, the log names
// it, and `status` says where the log is.
func TestUpSaysWhatEnded(t *testing.T) {
	command := commandUnderTest(t)
	must(t, command("up", "--kwok=false"), "export KUBECONFIG=")
	t.Cleanup(func() { _ = command("down").Run() })
	dir := runDir(filepath.Join(filepath.Dir(command().Path), "run"))
	s, ok, err := dir.read()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pids := processesOf(t, filepath.Join(dir.cluster(), "node"))
	if len(pids) != 1 {
		t.Fatalf("the node runs %v, want Prometheus alone", pids)
	}
	for pid := range pids {
		kill(t, pid)
	}
	logged(t, dir, "container prometheus of pod monitoring/prometheus-")
	must(t, exec.Command(s.Kubectl, "--kubeconfig="+s.Kubeconfig, "-n", "monitoring", "rollout", "status", "deployment/prometheus", "--timeout=30s"), "successfully rolled out")
	must(t, command("status"), "export KUBECONFIG=")

	kill(t, s.Inside)
	logged(t, dir, "the process that runs the node and starts the servers was killed by signal 9")
	if err := awaitFree(t.Context(), dir, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if out, err := command("status").CombinedOutput(); err == nil || !strings.Contains(string(out), dir.log()) {
		t.Errorf("status after it: %v, %s", err, out)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// logged waits until the log of `up` holds text.
func logged(t *testing.T, dir runDir, text string) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(dir.log())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), text) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not logged within 20 s: %q; the log is\n%s", text, data)
		case <-tick.C:
		}
	}
}

// processesOf returns the command lines that contain dir, by process.
func processesOf(t *testing.T, dir string) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && strings.Contains(string(line), dir) {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

func TestExecPassesTheExitStatusOn(t *testing.T) {
	command := commandUnderTest(t)
	cmd := command("exec", "--", "sh", "-c", "exit 7")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("exec gives %v, want exit status 7", err)
	}
}
