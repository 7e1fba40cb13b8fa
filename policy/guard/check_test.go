package guard

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the wants")

// now is when the live objects of the cases were read.
func now() time.Time { return time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC) }

// The findings of each check are those of its cases, and there are cases with and
// without.
func TestChecks(t *testing.T) {
	for _, m := range Catalogue() {
		if !m.Implemented() {
			continue
		}
		t.Run(fmt.Sprintf("%d-%s", m.ID, m.Name), func(t *testing.T) { checkCases(t, m) })
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		known := slices.ContainsFunc(Catalogue(), func(m Mode) bool { return m.Implemented() && f == caseFile(m) })
		if !known {
			t.Errorf("%s is of no check", f)
		}
	}
}

func caseFile(m Mode) string { return fmt.Sprintf("testdata/%02d-%s.txtar", m.ID, m.Name) }

func checkCases(t *testing.T, m Mode) {
	archive, err := txtar.ParseFile(caseFile(m))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]map[string]string{}
	for _, f := range archive.Files {
		name, part, ok := strings.Cut(f.Name, "/")
		if !ok || !slices.Contains([]string{"new.yaml", "old.yaml", "live.yaml", "oldlive.yaml", "want"}, part) {
			t.Fatalf("%s: a file is CASE/new.yaml, CASE/live.yaml, CASE/old.yaml, CASE/oldlive.yaml or CASE/want", f.Name)
		}
		if cases[name] == nil {
			cases[name] = map[string]string{}
		}
		cases[name][part] = string(f.Data)
	}
	found, silent := 0, 0
	got := map[string]string{}
	for name, parts := range cases {
		t.Run(name, func(t *testing.T) {
			report, err := Evaluate(snapshotOf(t, parts), Options{Only: []ID{m.ID}})
			if err != nil {
				t.Fatal(err)
			}
			got[name] = textOf(report)
			if diff := cmp.Diff(parts["want"], got[name]); diff != "" && !*update {
				t.Error(diff)
			}
		})
		if strings.Contains(got[name], m.ID.String()+" ") {
			found++
		} else {
			silent++
		}
	}
	if found == 0 || silent == 0 {
		t.Errorf("%d cases with a finding and %d without: there have to be both", found, silent)
	}
	if *update {
		writeWants(t, m, archive, got)
	}
}

func writeWants(t *testing.T, m Mode, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	var files []txtar.File
	for i, f := range archive.Files {
		name, part, _ := strings.Cut(f.Name, "/")
		if part != "want" {
			files = append(files, f)
		}
		if i+1 == len(archive.Files) || !strings.HasPrefix(archive.Files[i+1].Name, name+"/") {
			files = append(files, txtar.File{Name: name + "/want", Data: []byte(got[name])})
		}
	}
	archive.Files = files
	if err := os.WriteFile(caseFile(m), txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// textOf has everything of a report that a case is about.
func textOf(r Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s %s\n  %s\n  remedy: %s\n", f.ID, f.Severity, f.Object, f.Field, f.Message, f.Remedy)
		for _, o := range f.Related {
			fmt.Fprintf(&b, "  with %s\n", o)
		}
	}
	for _, s := range r.Skipped {
		switch {
		case s.Object != nil:
			fmt.Fprintf(&b, "skipped %s: %s\n", s.Object, s.Reason)
		default:
			fmt.Fprintf(&b, "skipped: %v %s\n", s.Missing, s.Reason)
		}
	}
	return b.String()
}

// snapshotOf reads a case. Of what it holds nothing is missing: every kind counts as
// gathered, unless a comment in it says "# gathered: KIND…".
func snapshotOf(t testing.TB, parts map[string]string) Snapshot {
	t.Helper()
	var s Snapshot
	switch {
	case parts["new.yaml"] != "":
		s = readSnapshot(t, Manifests, parts["new.yaml"])
	default:
		s = readSnapshot(t, Live, parts["live.yaml"])
	}
	if old := parts["old.yaml"]; old != "" {
		before := readSnapshot(t, Manifests, old)
		s.Old = &before
	}
	if old := parts["oldlive.yaml"]; old != "" {
		before := readSnapshot(t, Live, old)
		s.Old = &before
	}
	return s
}

func readSnapshot(t testing.TB, source Source, text string) Snapshot {
	t.Helper()
	s := Snapshot{Source: source, Now: now(), Gathered: map[Kind]bool{}}
	for _, k := range Kinds() {
		s.Gathered[k] = true
	}
	if rest, ok := strings.CutPrefix(text, "# gathered: "); ok {
		line, _, _ := strings.Cut(rest, "\n")
		clear(s.Gathered)
		for _, k := range strings.Fields(line) {
			s.Gathered[Kind(k)] = true
		}
	}
	for _, u := range decode(t, text) {
		if err := s.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func decode(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, doc := range strings.Split(text, "---\n") {
		raw, err := yaml.YAMLToJSONStrict([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		if object == nil {
			continue
		}
		u := &unstructured.Unstructured{Object: object}
		if u.GetNamespace() == "" && u.GetKind() != "CustomResourceDefinition" {
			u.SetNamespace("shop")
		}
		all = append(all, u)
	}
	return all
}
