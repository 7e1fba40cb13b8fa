//go:build e2e

package monitoring

// Run: make verify-alerts

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/loadline/loadline/hack/build"
)

// Prometheus' own tool takes the rule files, and each alert fires when it should, and not
// otherwise.
func TestPromtool(t *testing.T) {
	tools, err := build.Locate()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range Programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{
				{"check", "rules", "--lint=all", "--lint-fatal", filepath.Join(rulesDir, program+".rules.yaml")},
				{"test", "rules", filepath.Join("testdata", program+".test.yaml")},
			} {
				if out, err := exec.CommandContext(t.Context(), tools.Path("promtool"), args...).CombinedOutput(); err != nil {
					t.Errorf("promtool %v: %v\n%s", args, err, out)
				}
			}
		})
	}
}
