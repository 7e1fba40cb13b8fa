package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRunDir(t *testing.T) {
	dir := runDir(t.TempDir())
	if _, ok, err := dir.read(); ok || err != nil {
		t.Errorf("state of nothing: %t, %v", ok, err)
	}
	if busy, err := dir.busy(); busy || err != nil {
		t.Errorf("busy before anything: %t, %v", busy, err)
	}
	held, ok, err := dir.lock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if busy, err := dir.busy(); !busy || err != nil {
		t.Errorf("busy while locked: %t, %v", busy, err)
	}
	want := state{PID: 1, Inside: 2, Isolated: true, URL: "https://127.0.0.1:3", Kubeconfig: "/a", Kubectl: "/b/kubectl", KubeCache: "/c", Logs: "/d"}
	if err := dir.ready(want); err != nil {
		t.Fatal(err)
	}
	got, ok, err := dir.read()
	if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
		t.Error(ok, err, diff)
	}
	if err := os.MkdirAll(dir.cluster(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.clear(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(dir.path("*")); err != nil || len(left) != 1 {
		t.Errorf("left are %q, %v; want the lock alone", left, err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if busy, err := dir.busy(); busy || err != nil {
		t.Errorf("busy after all: %t, %v", busy, err)
	}
}

func TestBrokenStateIsAnErrorThatNamesTheFile(t *testing.T) {
	dir := runDir(t.TempDir())
	if err := os.WriteFile(dir.path("state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := dir.read(); ok || err == nil || !bytes.Contains([]byte(err.Error()), []byte(dir.path("state.json"))) {
		t.Errorf("got %t, %v", ok, err)
	}
}

func TestPrintState(t *testing.T) {
	s := state{Inside: 42, URL: "https://127.0.0.1:3", Kubeconfig: "/run/c", Kubectl: "/tools/kubectl", KubeCache: "/run/k", Logs: "/run/l"}
	const exports = "export KUBECONFIG=/run/c KUBECACHEDIR=/run/k\nexport PATH=/tools:\"$PATH\"\n# API server https://127.0.0.1:3, logs in /run/l\n"
	var out bytes.Buffer
	printState(&out, s)
	want := exports + "# No network namespace: pods get addresses out of 127.0.0.0/8, and EndpointSlices refuse those.\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestEnterHint(t *testing.T) {
	for name, tc := range map[string]struct {
		euid int
		want string
	}{
		"root":   {0, "nsenter --target 42 --net"},
		"others": {1000, "nsenter --target 42 --user --net --preserve-credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := enterHint(42, tc.euid); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFlagsSurviveBeingHandedOn(t *testing.T) {
	want := clusterFlags{hpaSync: 1500 * time.Millisecond, downscale: time.Minute, audit: true, host: true, system: true, root: "/a b"}
	var got clusterFlags
	cmd := upCommand()
	cmd.ResetFlags()
	got.register(cmd)
	if err := cmd.ParseFlags(want.args()); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
