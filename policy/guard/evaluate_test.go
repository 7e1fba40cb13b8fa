package guard

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// everything is every object of every case in a namespace of its own, so that one
// snapshot has all findings.
func everything(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range files {
		archive, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range archive.Files {
			if strings.HasSuffix(part.Name, "/new.yaml") || strings.HasSuffix(part.Name, "/live.yaml") {
				texts = append(texts, string(part.Data))
			}
		}
	}
	return texts
}

func manySnapshot(t testing.TB, source Source, backwards bool) Snapshot {
	t.Helper()
	texts := everything(t)
	s := readSnapshot(t, source, "")
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	if backwards {
		slices.Reverse(order)
	}
	for _, i := range order {
		objects := decode(t, texts[i])
		if backwards {
			slices.Reverse(objects)
		}
		for _, u := range objects {
			if u.GetKind() == "CustomResourceDefinition" {
				continue // of the cases some have a scale and some do not
			}
			ownUIDs(u, i)
			u.SetNamespace(strings.Join([]string{"case", string(rune('a' + i/26)), string(rune('a' + i%26)), u.GetNamespace()}, "-"))
			if err := s.Add(u); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// ownUIDs makes the UIDs of a case its own.
func ownUIDs(u *unstructured.Unstructured, i int) {
	own := func(uid types.UID) types.UID {
		if uid == "" {
			return ""
		}
		return types.UID(strconv.Itoa(i)) + uid
	}
	u.SetUID(own(u.GetUID()))
	owners := u.GetOwnerReferences()
	for j := range owners {
		owners[j].UID = own(owners[j].UID)
	}
	if len(owners) > 0 {
		u.SetOwnerReferences(owners)
	}
}

// The order of the objects plays no part, two calls say the same, and nothing in the
// snapshot is changed.
func TestEvaluateIsPure(t *testing.T) {
	for _, source := range []Source{Manifests, Live} {
		s, untouched := manySnapshot(t, source, false), manySnapshot(t, source, false)
		s.Old, untouched.Old = new(Snapshot), new(Snapshot)
		*s.Old, *untouched.Old = manySnapshot(t, source, false), manySnapshot(t, source, false)
		first, err := Evaluate(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(first.Findings) < 50 {
			t.Errorf("only %d findings: this test looks at little", len(first.Findings))
		}
		again, err := Evaluate(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the second time: %s", diff)
		}
		if diff := cmp.Diff(untouched, s); diff != "" {
			t.Errorf("the snapshot was changed: %s", diff)
		}
		other := manySnapshot(t, source, true)
		other.Old = s.Old
		backwards, err := Evaluate(other, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, backwards); diff != "" {
			t.Errorf("in another order: %s", diff)
		}
		// What a caller does with a report does not reach the snapshot.
		for i := range first.Findings {
			for j := range first.Findings[i].Related {
				first.Findings[i].Related[j].Name = "changed"
			}
		}
		if diff := cmp.Diff(untouched, s); diff != "" {
			t.Errorf("the report is the snapshot's: %s", diff)
		}
	}
}

// One object's findings are those of all in which it takes part.
func TestEvaluateOneObject(t *testing.T) {
	s := manySnapshot(t, Manifests, false)
	all, err := Evaluate(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	of := all.Findings[0].Object
	one, err := Evaluate(s, Options{Object: &of})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(all.Findings), func(f Finding) bool { return !f.Concerns(of) })
	if diff := cmp.Diff(want, one.Findings); diff != "" || len(want) == 0 {
		t.Error(diff)
	}
}

// What cannot be decided is an error, and no finding.
func TestEvaluateRefuses(t *testing.T) {
	const twice = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\napiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\n"
	if _, err := Evaluate(readSnapshot(t, Manifests, twice), Options{}); err == nil || !strings.Contains(err.Error(), "Deployment shop/web is there twice") {
		t.Error(err)
	}
	if _, err := Evaluate(Snapshot{}, Options{Only: []ID{6}}); err == nil || err.Error() != "there is no check GUARD-6" {
		t.Error(err)
	}
}

// The catalogue has every number once, in order, each with all that is to be said, and
// the checks ask for kinds that exist.
func TestCatalogue(t *testing.T) {
	names := map[string]bool{}
	for i, m := range Catalogue() {
		if int(m.ID) != i+1 || names[m.Name] || m.Severity.rank() == 0 || m.Summary == "" {
			t.Errorf("%d: %+v", i+1, m)
		}
		names[m.Name] = true
		if m.Implemented() == (m.NotYet != "") || m.Implemented() && (m.Why == "" || m.Remedy == "" || len(m.Needs) == 0) {
			t.Errorf("%s has not all that is to be said", m.ID)
		}
		for _, k := range slices.Concat(m.Needs, m.Also) {
			if !slices.Contains(Kinds(), k) {
				t.Errorf("%s asks for %s", m.ID, k)
			}
		}
	}
	if len(names) != 55 {
		t.Errorf("%d modes", len(names))
	}
}

func FuzzParseID(f *testing.F) {
	for _, text := range []string{"GUARD-12", "guard-1", "GUARD-012", "GUARD-56", "GUARD-", "12", "GUARD-+1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseID(text); err == nil && !strings.EqualFold(id.String(), text) {
			t.Errorf("%q is %s", text, id)
		}
	})
}

func FuzzParseSlug(f *testing.F) {
	for _, text := range []string{"12-replicas-in-manifest", "2-target-unscalable", "02-target-unscalable", "12", "12-", "-", "99-x", "replicas-in-manifest"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseSlug(text)
		if err != nil {
			return
		}
		if i := slices.IndexFunc(Catalogue(), func(m Mode) bool { return m.ID == id }); i < 0 || Catalogue()[i].Slug() != text {
			t.Errorf("%q is %s", text, id)
		}
	})
}

// Each mode is found by what annotations call it, and another name is put right.
func TestParseSlug(t *testing.T) {
	for _, m := range Catalogue() {
		if id, err := ParseSlug(m.Slug()); err != nil || id != m.ID {
			t.Errorf("%s: %s, %v", m.Slug(), id, err)
		}
	}
	for text, want := range map[string]string{
		"2-target-unscalable": `"2-target-unscalable" is no name of a finding: GUARD-2 is 02-target-unscalable`,
		"12":                  `"12" is no name of a finding: GUARD-12 is 12-replicas-in-manifest`,
		"GUARD-12":            `"GUARD-12" is no name of a finding: give one such as 12-replicas-in-manifest`,
		"99-nothing":          `"99-nothing" is no name of a finding: give one such as 12-replicas-in-manifest`,
	} {
		if _, err := ParseSlug(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
