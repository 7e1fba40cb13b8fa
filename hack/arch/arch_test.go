package arch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/hack/arch"
)

const (
	root     = "../.."
	remindMe = root + "/deploy/examples/remindme"
)

func TestImportsPointOneWay(t *testing.T) {
	g, err := arch.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range arch.Check(g, arch.Loadline()) {
		t.Error(breach)
	}
}

func TestModulesStayApart(t *testing.T) {
	for name, tc := range map[string]struct{ dir, not, why string }{
		"ours needs nothing of the queue": {
			root, "github.com/nats-io",
			"Remind Me is a module of its own so that its dependencies stay out of ours",
		},
		"Remind Me needs nothing of ours": {
			remindMe, "github.com/loadline/loadline",
			"it stands for anybody's workload, which knows of Loadline only through the metrics it exports",
		},
	} {
		t.Run(name, func(t *testing.T) {
			required, err := arch.Requirements(tc.dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(required) == 0 {
				t.Fatalf("no requirements in %s: this test looks at the wrong file", tc.dir)
			}
			for _, path := range required {
				if path == tc.not || strings.HasPrefix(path, tc.not+"/") {
					t.Errorf("go.mod in %s requires %s: %s", tc.dir, path, tc.why)
				}
			}
		})
	}
}

// graph makes one out of lines "package: import import".
func graph(lines ...string) arch.Graph {
	g := arch.Graph{}
	for _, line := range lines {
		name, imports, _ := strings.Cut(line, ":")
		p := g[name]
		p.ImportPath = name
		p.Imports = append(p.Imports, strings.Fields(imports)...)
		g[name] = p
	}
	return g
}

func TestCheck(t *testing.T) {
	rules := arch.Rules{
		Module:  "m",
		Arrows:  []arch.Arrow{{"cmd", []string{"top"}}, {"top", []string{"low"}}, {"low", nil}},
		Free:    []string{"hack"},
		FreeWhy: "hack is for developers",
		Bans:    []arch.Ban{{From: []string{"low"}, Not: []string{"x/client"}, Why: "low is pure"}},
	}
	obeys := []string{"m/cmd: m/top", "m/top: m/low x/client", "m/low: fmt", "m/hack/tool: m/top m/hack/other", "m/hack/other:", "x/client:", "fmt:"}
	oneWay := ": imports point one way, cmd → adapter → provider → {eval → plan, source, store} → rule → metric; it may import "
	for name, tc := range map[string]struct {
		extra []string
		tests arch.Package // test imports of m/low
		want  []string
	}{
		"obeys": {},
		"up": {
			extra: []string{"m/low: m/top"},
			want: []string{
				"low must not import top" + oneWay + "nothing of this module",
				"low must not reach x/client: low is pure\n\tm/low → m/top → x/client",
			},
		},
		"past a layer": {
			extra: []string{"m/cmd: m/low"},
			want:  []string{"cmd must not import low" + oneWay + "top"},
		},
		"hack": {
			extra: []string{"m/top: m/hack/tool"},
			want:  []string{"top must not import hack/tool: hack is for developers"},
		},
		"hack in a test": {
			tests: arch.Package{TestImports: []string{"m/hack/tool"}},
			want:  []string{"low must not import hack/tool: hack is for developers"},
		},
		"hack in an external test": {
			tests: arch.Package{XTestImports: []string{"m/hack/tool"}},
			want:  []string{"low must not import hack/tool: hack is for developers"},
		},
		"a ban, directly": {
			extra: []string{"m/low: x/client/rest"},
			want:  []string{"low must not reach x/client/rest: low is pure\n\tm/low → x/client/rest"},
		},
		"a ban, through others, round a cycle": {
			extra: []string{"m/low: a", "a: b", "b: a x/client"},
			want:  []string{"low must not reach x/client: low is pure\n\tm/low → a → b → x/client"},
		},
		"a path that only begins alike": {
			extra: []string{"m/low: x/clients"},
		},
		"a package without a place": {
			extra: []string{"m/new:"},
			want:  []string{"new is not in the table of arrows: add it with what it may import, so that its place is decided and not grown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := graph(slices.Concat(obeys, tc.extra)...)
			low := g["m/low"]
			low.TestImports, low.XTestImports = tc.tests.TestImports, tc.tests.XTestImports
			g["m/low"] = low
			if diff := cmp.Diff(tc.want, arch.Check(g, rules)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("an arrow without its package", func(t *testing.T) {
		want := []string{"low is in the table of arrows and not in the module: take it out"}
		if diff := cmp.Diff(want, arch.Check(graph("m/cmd: m/top", "m/top:"), rules)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLoadTellsWhatGoListSays(t *testing.T) {
	if _, err := arch.Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "main module") {
		t.Errorf("got %v, want go list's own words about a missing module", err)
	}
}
