package links

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every link of every page of the repository leads somewhere.
func TestLinks(t *testing.T) {
	wrong, looked, err := Check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
	if looked < 200 {
		t.Errorf("only %d links were found", looked)
	}
}

func TestCheck(t *testing.T) {
	files := map[string]string{
		"README.md": "# Top\n[page](docs/page.md) [heading](docs/page.md#two-words) [here](#top) [away](https://example.com/x#y) [mail](mailto:a@b.c)\n" +
			"[gone](docs/gone.md)\n[no heading](docs/page.md#three)\n[not here](#bottom)\n[out](../x.md)\n",
		"docs/page.md": "# Two words\n\n## Again\n## Again\n## `a.b` and [c](d.md), e_f!\n[up](../README.md) [dir](sub) [dir's](sub#inside) [source](a.go#L3) [root](/README.md#top)\n" +
			"[second](#again-1) [third](#again-2) [odd](#ab-and-c-e_f) ![image](i.png) [titled](page.md \"a title\") [ref]\n\n[ref]: gone.md\n" +
			"\n    [indented](gone-1.md)\n\n```\n[fenced](gone-2.md)\n# Not a heading\n```\n`[span](gone-3.md)` [fenced heading](#not-a-heading)\n" +
			"- item\n    [in an item](gone-4.md)\n<a href=\"gone-5.md\" id=\"mine\">x</a> [mine](#mine) [enc](a%20b.md) [dir's](sub#outside)\n",
		"docs/a.go": "", "docs/a b.md": "", "docs/d.md": "",
		"docs/sub/README.md": "# Inside\n",
		".hidden/x.md":       "[gone](gone.md)\n", "bin/x.md": "[gone](gone.md)\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, looked, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md:3: docs/gone.md: there is no such file",
		"README.md:4: docs/page.md#three: docs/page.md has no heading of this anchor",
		"README.md:5: #bottom: README.md has no heading of this anchor",
		"README.md:6: ../x.md: is outside of the repository",
		"docs/page.md:7: #again-2: docs/page.md has no heading of this anchor",
		"docs/page.md:7: i.png: there is no such file",
		"docs/page.md:9: gone.md: there is no such file",
		"docs/page.md:17: #not-a-heading: docs/page.md has no heading of this anchor",
		"docs/page.md:19: gone-4.md: there is no such file",
		"docs/page.md:20: sub#outside: docs/sub/README.md has no heading of this anchor",
		"docs/page.md:20: gone-5.md: there is no such file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if looked != 25 {
		t.Errorf("%d links looked at", looked)
	}
}
