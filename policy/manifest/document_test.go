package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Documents come in the order of the file, each field with its line, however they are
// divided; errors name the line of the file, not that of the document.
func TestRead(t *testing.T) {
	type field struct {
		Name string // of the object
		Path string
		Line int
	}
	for name, tc := range map[string]struct {
		text string
		want []field
	}{
		"one": {"kind: A\nmetadata:\n  name: a\n", []field{{"a", "metadata.name", 3}}},
		"documents between separators, one empty, one with a comment, one on the line": {
			"# about it\n---\nmetadata: {name: a}\n---\n---\n\n# b\nmetadata:\n  name: b\n--- {metadata: {name: c}}\n",
			[]field{{"a", "metadata.name", 3}, {"b", "metadata.name", 9}, {"c", "metadata.name", 10}},
		},
		"a separator inside a text is none": {
			"metadata: {name: a}\nspec:\n  text: |\n    ---\n    x\n  last: 1\n---\nmetadata: {name: b}\n",
			[]field{{"a", "spec.last", 6}, {"b", "metadata.name", 8}},
		},
		"line ends of DOS": {"metadata:\r\n  name: a\r\n---\r\nmetadata:\r\n  name: b\r\n", []field{{"a", "metadata.name", 2}, {"b", "metadata.name", 5}}},
		"a row of JSON objects": {
			"{\"metadata\": {\"name\": \"a\"}}\n{\n\t\"metadata\": {\n\t\t\"name\": \"b\"}}\n",
			[]field{{"a", "metadata.name", 1}, {"b", "metadata.name", 4}},
		},
		"a List": {
			"apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n-\n  metadata:\n    name: b\n",
			[]field{{"a", "metadata.name", 4}, {"b", "metadata.name", 7}},
		},
		"a list of one kind": {
			"apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n", []field{{"a", "metadata.name", 4}},
		},
		"an index, and a field that is not written": {
			"metadata: {name: a}\nspec:\n  list:\n  - x: 1\n  - y: 2\n",
			[]field{{"a", "spec.list[1].y", 5}, {"a", "spec.list[1].z.zz", 5}, {"a", "spec.list[7]", 3}, {"a", "nothing", 1}},
		},
		"an alias":        {"metadata: &m\n  name: a\nspec:\n  x: *m\n", []field{{"a", "spec.x.name", 2}}},
		"a key with dots": {"metadata:\n  name: a\n  labels:\n    b.c/d: e\n", []field{{"a", "metadata.labels[b.c/d]", 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := Read("f", strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]Document{}
			for _, d := range docs {
				byName[d.Name()] = d
			}
			var got []field
			for _, w := range tc.want {
				d, ok := byName[w.Name]
				if !ok {
					t.Fatalf("no document %s in %v", w.Name, docs)
				}
				got = append(got, field{w.Name, w.Path, d.Line(w.Path)})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A column is that of the field's name, wherever its document begins in the line.
func TestPosition(t *testing.T) {
	for name, tc := range map[string]struct {
		text, field string
		want        Position
	}{
		"a key":                       {"a:\n  b: 1\n", "a.b", Position{2, 3}},
		"in a line":                   {"a: {b: 1, c: 2}\n", "a.c", Position{1, 11}},
		"behind the separator":        {"--- {a: {b: 1}}\n", "a.b", Position{1, 10}},
		"an item of a list":           {"a:\n  - 1\n  - b: 2\n", "a[1]", Position{3, 5}},
		"a field that is not written": {"a:\n  b: 1\n", "a.c", Position{1, 1}},
		"an item of a List":           {"kind: List\nitems:\n- metadata:\n    name: x\n", "metadata.name", Position{4, 5}},
		"of an item nothing":          {"kind: List\nitems:\n- metadata:\n    name: x\n", "spec", Position{3, 3}},
		"JSON objects in a row":       {"{}{\"a\": 1}\n", "a", Position{1, 4}},
		"characters, not bytes":       {"{ä: {ö: 1, x: 1}}\n", "ä.x", Position{1, 12}},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := Read("f", strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, docs[len(docs)-1].Position(tc.field)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want string
	}{
		"no YAML":                 {"a: 1\n---\nb: 2\nc: [\n", "f:4: did not find"},
		"a key twice":             {"---\na: 1\n---\nb: 2\nb: 3\n", `f:5: key "b" already set`},
		"a list":                  {"- a\n", "f:1: it is no object"},
		"a word":                  {"\n---\nword\n", "f:2: it is no object"},
		"a bomb":                  {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "f:1: "},
		"an alias of what is not": {"a: *b\n", "f:1: unknown anchor"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read("f", strings.NewReader(tc.text))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("%v, want %s…", err, tc.want)
			}
		})
	}
	t.Run("too much", func(t *testing.T) {
		if _, err := Read("f", strings.NewReader(strings.Repeat("#", MaxBytes+1))); err == nil {
			t.Error("taken")
		}
	})
}

// Whatever is in a file, it is read or refused, and no field has a line outside it.
func FuzzRead(f *testing.F) {
	f.Add("a: 1\n---\nb: {c: [1, 2]}\n", "b.c[1]")
	f.Add("{\"a\": 1}\n{\"b\": [2]}", "b[0]")
	f.Add("apiVersion: v1\nkind: List\nitems: [{a: 1}, null, 3]\n", "a")
	f.Add("a: &a {b: 1}\nc: *a\n", "c.b")
	f.Fuzz(func(t *testing.T, text, field string) {
		docs, err := Read("f", strings.NewReader(text))
		if err != nil {
			return
		}
		last := strings.Count(text, "\n") + 1
		// YAML ends lines at a few more characters.
		last += strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029")
		for _, d := range docs {
			if at := d.Position(field); at.Line < 1 || at.Line > last || at.Column < 1 {
				t.Errorf("%v of %d lines", at, last)
			}
		}
	})
}
