package build

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const rootModule = "github.com/loadline/loadline"

// target is a Tool with everything decided: what to build, from where, to where.
type target struct {
	Tool
	version string // "v1.37.2"
	source  string // wrapper module's directory
	dir     string // final directory in the cache
	ldflags string
}

func (t target) program(name string) string { return filepath.Join(t.dir, name) }

// built tells whether the target is in the cache. Its directory appears by one
// rename when everything is in it, so its existence is enough.
func (t target) built() bool {
	info, err := os.Stat(t.dir)
	return err == nil && info.IsDir()
}

// plan resolves the catalogue against the wrapper modules below root.
func plan(root, cache string, tools []Tool) ([]target, error) {
	targets := make([]target, 0, len(tools))
	for _, tool := range tools {
		source := filepath.Join(root, "hack", "tools", cmp.Or(tool.Source, tool.Name))
		mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
		if err != nil {
			return nil, fmt.Errorf("wrapper module of %s: %w", tool.Name, err)
		}
		sum, err := os.ReadFile(filepath.Join(source, "go.sum"))
		if err != nil {
			return nil, fmt.Errorf("wrapper module of %s: %w", tool.Name, err)
		}
		version, err := requiredVersion(mod, tool.Module)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(source, "go.mod"), err)
		}
		flags := tool.ldflags(version)
		targets = append(targets, target{
			Tool:    tool,
			version: version,
			source:  source,
			ldflags: flags,
			dir:     filepath.Join(cache, "tools", tool.Name+"-"+version+"-"+fingerprint(tool, flags, mod, sum)),
		})
	}
	return targets, nil
}

// requiredVersion finds module's version in the require lines of a go.mod.
func requiredVersion(gomod []byte, module string) (string, error) {
	line := regexp.MustCompile(`(?m)^\s*(?:require\s+)?` + regexp.QuoteMeta(module) + `\s+(v[0-9][^\s]*)\s*(?://.*)?$`)
	m := line.FindSubmatch(gomod)
	if m == nil {
		return "", fmt.Errorf("no require line for %s", module)
	}
	return string(m[1]), nil
}

// fingerprint names everything that decides what is built, so that a change of
// a pin, a flag or the platform gets a directory of its own.
func fingerprint(t Tool, ldflags string, gomod, gosum []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s/%s\n%s\n%s\n%q\n%q\n", runtime.GOOS, runtime.GOARCH, t.Tags, ldflags, t.Programs, t.Files)
	fmt.Fprintf(h, "%d\n%s\n%d\n%s\n", len(gomod), gomod, len(gosum), gosum)
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// CacheDir is where built programs and the state of a cluster started by hand
// live: $LOADLINE_CACHE, or "loadline" in the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("LOADLINE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory (set LOADLINE_CACHE or HOME): %w", err)
	}
	return filepath.Join(dir, "loadline"), nil
}

// Root finds the repository: the nearest directory at or above dir whose
// go.mod declares Loadline's module.
func Root(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && declares(data, rootModule):
			return dir, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("%s is not inside a checkout of %s: run this from the repository", start, rootModule)
		}
	}
}

func declares(gomod []byte, module string) bool {
	for line := range strings.Lines(string(gomod)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "module" {
			return fields[1] == module
		}
	}
	return false
}
