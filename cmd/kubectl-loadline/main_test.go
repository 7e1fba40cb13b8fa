package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/cli"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kubectl-loadline": main})
}

// The program says and exits as testdata has it.
func TestScripts(t *testing.T) {
	completion, err := filepath.Abs("kubectl_complete-loadline")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// No cluster, and none of whoever runs the tests.
			env.Setenv("KUBECONFIG", env.WorkDir+"/no-kubeconfig")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("PLUGIN_COMPLETION", completion)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "places": places, "serves": serves},
	})
}

// exits runs a program and asks for its exit code: exits CODE PROGRAM ARGUMENT…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// serves has an API server answer by paths with their queries, as a file has it, and everything
// else with 404; the file config is a kubeconfig for it: serves FILE.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serves FILE")
	}
	var known map[string]any
	ts.Check(yaml.UnmarshalStrict([]byte(ts.ReadFile(args[0])), &known))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := known[r.URL.RequestURI()]
		if !ok {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	ts.Defer(server.Close)
	config := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {}}]}\n", server.URL)
	ts.Check(os.WriteFile(ts.MkAbs("config"), []byte(config), 0o600))
}

// place is what a problem's line begins with: FILE:LINE: LEVEL: POLICY: FIELD. The
// words that follow belong to whoever found it.
var place = regexp.MustCompile(`^(\S+:\d+: (?:error|warning): \S+: \S+): \S`)

// places compares the places of the problems on the standard error to a file: places FILE.
func places(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: places FILE")
	}
	var got strings.Builder
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		m := place.FindStringSubmatch(line)
		if m == nil {
			ts.Fatalf("no problem with its place: %s", line)
		}
		got.WriteString(m[1] + "\n")
	}
	if diff := cmp.Diff(ts.ReadFile(args[0]), got.String()); diff != "" {
		ts.Fatalf("%s", diff)
	}
}

// The HPAs of the example are what its policies render to.
func TestExample(t *testing.T) {
	const (
		dir    = "../../deploy/examples/remindme/manifests/"
		header = "# What policies.yaml renders to, for a cluster without loadline-policy; a test of\n# cmd/kubectl-loadline holds them equal, and writes this file with -update.\n"
	)
	var out, said bytes.Buffer
	code := cli.Run(context.Background(), []string{"render", "-f", dir + "policies.yaml"},
		genericiooptions.IOStreams{In: bytes.NewReader(nil), Out: &out, ErrOut: &said})
	if code != 0 || said.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, &said)
	}
	want := header + out.String()
	if *update {
		if err := os.WriteFile(dir+"hpa.yaml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(dir + "hpa.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
