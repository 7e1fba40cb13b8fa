package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the README shows of commands is what they print, by their goldens.
func TestReadmeShowsWhatIsPrinted(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	goldens := map[string]string{
		"explain": "testdata/explain.txt", "doctor": "testdata/doctor.txt", "metrics": "testdata/metrics.txt", "migrate": "../migrate/testdata/annotated.yaml",
	}
	const prompt = "    $ kubectl loadline "
	shown := map[string]int{}
	var of string
	var golden []string
	for n, line := range strings.Split(string(data), "\n") {
		switch {
		case strings.HasPrefix(line, prompt):
			of, _, _ = strings.Cut(strings.TrimPrefix(line, prompt), " ")
			file, known := goldens[of]
			if !known {
				t.Fatalf("README.md:%d: no golden of %s is known", n+1, of)
			}
			text, err := os.ReadFile(filepath.FromSlash(file))
			if err != nil {
				t.Fatal(err)
			}
			golden = strings.Split(string(text), "\n")
		case of != "" && strings.HasPrefix(line, "    "):
			shown[of]++
			if !slices.Contains(golden, line[len("    "):]) {
				t.Errorf("README.md:%d: %s does not print %q", n+1, of, line[len("    "):])
			}
		case line != "":
			of = ""
		}
	}
	for name := range goldens {
		if shown[name] == 0 {
			t.Errorf("README.md shows nothing that %s prints", name)
		}
	}
}
