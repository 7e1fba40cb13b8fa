package build

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequiredVersion(t *testing.T) {
	for name, tc := range map[string]struct {
		gomod, module, want string
	}{
		"single line":             {"module x\n\nrequire a.b/c v1.2.3\n", "a.b/c", "v1.2.3"},
		"in a block":              {"require (\n\ta.b/c v1.2.3\n)\n", "a.b/c", "v1.2.3"},
		"indirect":                {"require (\n\ta.b/c v1.2.3 // indirect\n)\n", "a.b/c", "v1.2.3"},
		"not a longer path":       {"require (\n\ta.b/c/v3 v3.0.0\n\ta.b/c v1.2.3\n)\n", "a.b/c", "v1.2.3"},
		"not a path that ends so": {"require x/a.b/c v1.2.3\n", "a.b/c", ""},
		"dots are not wild":       {"require axb/c v1.2.3\n", "a.b/c", ""},
		"not a replacement":       {"replace a.b/c => a.b/d v1.2.3\n", "a.b/c", ""},
		"absent":                  {"module x\n", "a.b/c", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := requiredVersion([]byte(tc.gomod), tc.module)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func FuzzRequiredVersion(f *testing.F) {
	f.Add("require a.b/c v1.2.3\n", "a.b/c")
	f.Add("require (\n\ta.b/c v1.2.3 // indirect\n)", "a.b/c")
	f.Add("require )( v1", ")(")
	f.Fuzz(func(t *testing.T, gomod, module string) {
		version, err := requiredVersion([]byte(gomod), module)
		if err == nil && (!strings.HasPrefix(version, "v") || !strings.Contains(gomod, module)) {
			t.Errorf("version %q of %q out of %q", version, module, gomod)
		}
	})
}

func TestLDFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		tool Tool
		want string
	}{
		"stripped only": {Tool{}, "-s -w"},
		"stamped": {
			Tool{Version: []string{"a/version"}},
			"-s -w -X a/version.gitVersion=v1.37.2 -X a/version.gitMajor=1 -X a/version.gitMinor=37 -X a/version.gitTreeState=clean",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.tool.ldflags("v1.37.2")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFingerprintDependsOnEverything(t *testing.T) {
	tool := Tool{Tags: "a", Programs: []Program{{"p", "x/p"}}, Files: []string{"f"}}
	base := fingerprint(tool, "-s", []byte("mod"), []byte("sum"))
	if again := fingerprint(tool, "-s", []byte("mod"), []byte("sum")); again != base {
		t.Errorf("not stable: %s, then %s", base, again)
	}
	tags, programs, files := tool, tool, tool
	tags.Tags = "b"
	programs.Programs = []Program{{"p", "x/q"}}
	files.Files = nil
	for name, other := range map[string]string{
		"go.mod":   fingerprint(tool, "-s", []byte("mod2"), []byte("sum")),
		"go.sum":   fingerprint(tool, "-s", []byte("mod"), []byte("sum2")),
		"boundary": fingerprint(tool, "-s", []byte("mods"), []byte("um")),
		"flags":    fingerprint(tool, "-w", []byte("mod"), []byte("sum")),
		"tags":     fingerprint(tags, "-s", []byte("mod"), []byte("sum")),
		"programs": fingerprint(programs, "-s", []byte("mod"), []byte("sum")),
		"files":    fingerprint(files, "-s", []byte("mod"), []byte("sum")),
	} {
		if other == base {
			t.Errorf("%s does not matter, and must", name)
		}
	}
}

func TestRoot(t *testing.T) {
	dir := t.TempDir()
	nested := filepath.Join(dir, "tools", "x")
	if err := os.MkdirAll(nested, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), "// comment\nmodule "+rootModule+"\n")
	write(t, filepath.Join(nested, "go.mod"), "module "+rootModule+"/tools/x\n")
	got, err := Root(nested)
	if err != nil || got != dir {
		t.Errorf("Root is %q, %v; want %q: a nested module is not the repository", got, err, dir)
	}
	if got, err := Root(t.TempDir()); err == nil {
		t.Errorf("Root outside of a checkout is %q", got)
	}
}

// TestPins holds the catalogues against the wrapper modules of this checkout.
func TestPins(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("newest", func(t *testing.T) {
		server := checkPins(t, root, slices.Concat(catalog(""), Node()))
		checkController(t, root, server)
	})
	t.Run("oldest", func(t *testing.T) { checkPins(t, root, catalog(oldest)) })
}

// checkPins returns the version of the API server.
func checkPins(t *testing.T, root string, tools []Tool) (server string) {
	t.Helper()
	targets, err := plan(root, "/cache", tools)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		gomod, err := os.ReadFile(filepath.Join(target.source, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range target.Programs {
			if !regexp.MustCompile(`(?m)^(tool )?\s*` + regexp.QuoteMeta(p.Package) + `$`).Match(gomod) {
				t.Errorf("%s/go.mod has no tool line for %s: tidying would drop its requirements", target.source, p.Package)
			}
		}
		switch target.Name {
		case "kubernetes":
			server = target.version
			checkStaging(t, server, gomod)
		case "kubelet":
			checkStaging(t, target.version, gomod)
			if target.version != server {
				t.Errorf("the kubelet is %s, the API server %s", target.version, server)
			}
		}
	}
	return server
}

// oldest is the oldest minor that is supported.
const oldest = "1.34"

// checkStaging: the modules that Kubernetes is released in are those of its version.
func checkStaging(t *testing.T, version string, gomod []byte) {
	t.Helper()
	staging := "v0" + strings.TrimPrefix(version, "v1")
	for _, m := range regexp.MustCompile(`(?m)^\s*(\S+) => (\S+) (\S+)$`).FindAllStringSubmatch(string(gomod), -1) {
		if m[1] != m[2] || m[3] != staging {
			t.Errorf("%s is replaced by %s %s; Kubernetes %s was released with %s", m[1], m[2], m[3], version, staging)
		}
	}
}

// checkController: the HPA controller that policy/arithmetic is held against is the one of the
// local cluster.
func checkController(t *testing.T, root, version string) {
	t.Helper()
	gomod, err := os.ReadFile(filepath.Join(root, "hack/arithmetic/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	checkStaging(t, version, gomod)
	if got, err := requiredVersion(gomod, "k8s.io/kubernetes"); err != nil || got != version {
		t.Errorf("hack/arithmetic requires Kubernetes %s, %v; want %s, as the local cluster is", got, err, version)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The oldest minor that is supported has a module, and its servers a directory of their own.
func TestOldestKubernetes(t *testing.T) {
	root, err := Root(".")
	if err != nil {
		t.Fatal(err)
	}
	kubernetes := func(minor string) target {
		targets, err := plan(root, t.TempDir(), catalog(minor))
		if err != nil {
			t.Fatal(err)
		}
		return targets[0]
	}
	newest, old := kubernetes(""), kubernetes(oldest)
	if !strings.HasPrefix(old.version, "v"+oldest+".") || old.Name != newest.Name || filepath.Base(old.source) != "kubernetes-"+oldest {
		t.Errorf("%s of %s in %s", old.Name, old.version, old.source)
	}
	if filepath.Base(old.dir) == filepath.Base(newest.dir) {
		t.Errorf("both are built into %s", newest.dir)
	}
	if _, err := plan(root, t.TempDir(), catalog("1.1")); err == nil || !strings.Contains(err.Error(), "kubernetes-1.1") {
		t.Errorf("a version that there is no module for: %v", err)
	}
}
