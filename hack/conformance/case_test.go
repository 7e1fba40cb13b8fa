package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The cases can be read, there are as many as were promised, and every way in which
// Loadline differs on purpose is shown by one of them or by the test that its row names.
func TestCasesAreComplete(t *testing.T) {
	cases, err := Load("cases")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases: %v", len(cases), families(cases))
	if len(cases) < 120 {
		t.Errorf("%d cases, want 120 at least", len(cases))
	}
	shown, abouts := map[string]bool{}, map[string]string{}
	for _, c := range cases {
		shown[c.Deliberate] = true
		if other, twice := abouts[c.About]; twice {
			t.Errorf("%s says the same of itself as %s", c.Name, other)
		}
		abouts[c.About] = c.Name
	}
	for name, r := range rows() {
		if r.elsewhere == "" {
			if !shown[name] {
				t.Errorf("no case shows the row %s", name)
			}
			continue
		}
		file, test, _ := strings.Cut(r.elsewhere, " ")
		code, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil || !strings.Contains(string(code), "func "+test+"(") {
			t.Errorf("the row %s is shown by %s, which is not there: %v", name, r.elsewhere, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const head = "about: A case.\nconfig: x\n"
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown key":             {head + "querys: []\n", "field querys not found"},
		"an unknown key of a read":   {head + "reads: [{path: a, itms: {}}]\n", "field itms not found"},
		"no sentence":                {"config: x\nnames: []\n", "say in a sentence"},
		"an unknown row":             {head + "names: []\ndeliberate: nothing\n", `there is no row "nothing"`},
		"no configuration":           {"about: A case.\nnames: []\n", "config: is missing"},
		"nothing expected":           {head, "it expects nothing"},
		"nothing expected of a read": {head + "reads: [{path: a}]\n", "reads[0]: it expects nothing"},
		"two things expected":        {head + "reads: [{path: a, items: {}, status: 404, message: x}]\n", "exclude each other"},
		"an error without its text":  {head + "reads: [{path: a, status: 404}]\n", "an error has both"},
		"a window of nothing":        {head + "reads: [{path: a, items: {}, window: 5}]\n", "are of items"},
		"more than a refusal":        {head + "error: x\nnames: []\n", "nothing else to expect"},
		"a bad series":               {head + "names: []\nseries: ['x{']\n", "series[0]: "},
		"a series without samples":   {head + "names: []\nseries: ['x']\n", "series[0]: "},
		"an unknown kind":            {head + "names: []\nobjects: [gizmo a/b]\n", `there is no kind "gizmo"`},
		"a pod without a namespace":  {head + "names: []\nobjects: [pod a]\n", "namespaced, or is not"},
		"a label without a value":    {head + "names: []\nobjects: [pod a/b c]\n", "neither LABEL=VALUE nor (PHASE)"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decode("a/b", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestDecodeTakes(t *testing.T) {
	c, err := decode("a/b", []byte("about: A case.\nconfig: x\nseries: ['x{a=\"b\"} 0+60x20']\nobjects: [pod a/b c=d (Pending), node n]\nreads: [{path: a, items: {}}]\n"))
	if err != nil || c.Name != "a/b" || len(c.Reads) != 1 || c.Reads[0].Items == nil {
		t.Errorf("%+v, %v", c, err)
	}
}
