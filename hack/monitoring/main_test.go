package monitoring

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/loadline/loadline/hack/exported"
)

const (
	rulesDir = "../../deploy/monitoring"
	pagesDir = "../../docs/runbooks"
)

// programs is gathered once: it runs a controller.
var programs = sync.OnceValues(func() (exported.Catalog, error) { return exported.Programs(context.Background()) })

func catalog(t *testing.T) exported.Catalog {
	t.Helper()
	c, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forEachRule calls check with each alert as a test of its name.
func forEachRule(t *testing.T, check func(*testing.T, Rule)) {
	for _, program := range Programs {
		for _, g := range load(t, program).Groups {
			for _, r := range g.Rules {
				t.Run(r.Alert, func(t *testing.T) { check(t, r) })
			}
		}
	}
}

func load(t *testing.T, program string) File {
	t.Helper()
	f, err := Load(rulesDir, program)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
