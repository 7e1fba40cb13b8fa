//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Test7BadConfiguration: a configuration that is wrong ends the adapter within
// 10 s, without a panic, with an error that names the file, and every rule and
// field that is wrong.
func Test7BadConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		content string
		want    []string
	}{
		"empty":        {"", []string{"empty"}},
		"not YAML":     {"rules: [", []string{"line 1"}},
		"binary":       {"\x00\x01\xff", []string{"binary"}},
		"unknown keys": {"rules:\n- seriesQuerry: up\n", []string{"rules[0]", "seriesQuerry"}},
		"several at once": {`
rules:
- seriesQuery: up
  resources: {overrides: {pod: {resource: pod}}}
  name: {matches: "("}
  metricsQuery: <<.Series>>
- seriesQuery: up
  resources: {template: "<<.Resource"}
  metricsQuery: <<.NoSuch>>
externalRules:
- seriesQuery: 'up{'
  seriesFilters: [{is: "["}]
  metricsQuery: <<.Series>>
`, []string{
			"rules[0].name.matches", "rules[1].resources.template", "rules[1].metricsQuery",
			"externalRules[0].seriesQuery", "externalRules[0].seriesFilters[0].is",
		}},
		"a name without its capture": {"rules:\n- seriesQuery: up\n  resources: {overrides: {pod: {resource: pod}}}\n  name: {matches: ^up$, as: $1}\n  metricsQuery: <<.Series>>\n", []string{"rules[0].name.as"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, file, append(tc.want, filepath.Base(file)))
		})
	}
	t.Run("a directory", func(t *testing.T) { refused(t, dir, []string{dir, "is a directory"}) })
	t.Run("unreadable", func(t *testing.T) { refused(t, filepath.Join(dir, "no-such-file"), []string{"no-such-file"}) })
}

func refused(t *testing.T, file string, want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, adapterBinary(), "--config="+file, "--prometheus-url=http://127.0.0.1:9", "--lister-kubeconfig="+system.Cluster.Kubeconfig()).CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Errorf("it was not refused: %v", err)
	}
	for _, w := range want {
		if !bytes.Contains(out, []byte(w)) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
	if bytes.Contains(out, []byte("goroutine ")) {
		t.Errorf("a panic:\n%s", out)
	}
}
