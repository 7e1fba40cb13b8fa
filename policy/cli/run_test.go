package cli

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// noon is when the commands are run.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// runWith runs a command against an API server, and returns its exit code, what it printed
// and what it said on the standard error.
func runWith(t *testing.T, server http.Handler, command func(*env) *cobra.Command, namespace string, args []string) (code int, out, said string) {
	t.Helper()
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	s := httptest.NewServer(server)
	defer s.Close()
	var stdout, stderr bytes.Buffer
	e := &env{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr},
		flags:     genericclioptions.NewConfigFlags(true),
		now:       func() time.Time { return noon },
	}
	e.flags.APIServer, e.flags.Namespace = &s.URL, &namespace
	cmd := command(e)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test
	err := cmd.ExecuteContext(t.Context())
	return exitCode(err, "kubectl loadline "+cmd.Name(), &stderr), stdout.String(), stderr.String()
}

// golden compares what was printed with a file, or writes that with -update.
func golden(t *testing.T, path, out string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out); diff != "" {
		t.Error(diff)
	}
}

// askedAll compares what an API server was asked for with what it knows and what else it had
// to be asked.
func askedAll(t *testing.T, known map[string]string, asked []string, unknown ...string) {
	t.Helper()
	want := append(slices.Collect(maps.Keys(known)), unknown...)
	slices.Sort(want)
	slices.Sort(asked)
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// documented looks for a text in a page, each line indented as code is.
func documented(t *testing.T, page, text string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			line = "    " + line
		}
		block.WriteString(line)
	}
	if !strings.Contains(string(data), block.String()) {
		t.Errorf("%s lacks this, each line indented by four spaces:\n%s", page, block.String())
	}
}
