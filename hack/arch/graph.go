package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Package is what matters here of what `go list -json` says of a package.
type Package struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// Graph maps import paths to packages.
type Graph map[string]Package

// Load reads the packages of the module in dir and everything they import,
// files behind the e2e tag included. The imports of tests are known for the
// module's own packages only.
func Load(dir string) (Graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-tags", "e2e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, stderr.String())
	}
	g := Graph{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, fmt.Errorf("output of go list: %w", err)
		}
		g[p.ImportPath] = p
	}
}

// chain returns the shortest way from a package to one that match accepts, both
// included, or nil. It follows imports of packages, not of their tests.
func (g Graph) chain(from string, match func(string) bool) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]].Imports {
			if _, seen := before[next]; seen {
				continue
			}
			before[next] = queue[0]
			if match(next) {
				var way []string
				for p := next; p != ""; p = before[p] {
					way = append(way, p)
				}
				slices.Reverse(way)
				return way
			}
			queue = append(queue, next)
		}
	}
	return nil
}

// below says whether path is tree or under it.
func below(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

func belowAny(path string, trees []string) bool {
	return slices.ContainsFunc(trees, func(t string) bool { return below(path, t) })
}
