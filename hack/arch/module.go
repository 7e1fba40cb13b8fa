package arch

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
)

// Requirements returns the module paths that the go.mod in dir requires,
// indirect ones included, sorted.
func Requirements(dir string) ([]string, error) {
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod edit -json in %s: %w", dir, err)
	}
	var file struct{ Require []struct{ Path string } }
	if err := json.Unmarshal(out, &file); err != nil {
		return nil, fmt.Errorf("go.mod in %s: %w", dir, err)
	}
	var paths []string
	for _, r := range file.Require {
		paths = append(paths, r.Path)
	}
	slices.Sort(paths)
	return paths, nil
}
