package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is the time of the commit in these tests.
var at = time.Date(2026, 3, 4, 5, 6, 7, 890, time.FixedZone("", 3600))

func TestTarOf(t *testing.T) {
	entries := []entry{
		{name: "d/", mode: 0o755},
		{name: "d/program", mode: 0o755, owner: nobody, data: []byte("x")},
		{name: "empty", mode: 0o644},
	}
	data, err := tarOf(entries, at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := untar(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	entries[2].data = []byte{}
	if diff := cmp.Diff(entries, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
	again, err := tarOf(entries, at.Add(100*time.Millisecond).UTC())
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("other bytes at the second look: %v", err)
	}
}

func TestTarOfRefuses(t *testing.T) {
	if _, err := tarOf([]entry{{name: string(make([]byte, 300)), mode: 0o644}}, at); err == nil {
		t.Error("a name that the format does not hold is no error")
	}
}

// Whatever order, owners and times a package was made with, it comes out alike.
func TestRepacked(t *testing.T) {
	pack := func(at time.Time, entries ...entry) []byte {
		t.Helper()
		data, err := tarOf(entries, at)
		if err != nil {
			t.Fatal(err)
		}
		if data, err = gzipped(data); err != nil {
			t.Fatal(err)
		}
		out, err := repacked(data, time.Unix(1000, 0))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	a, b := entry{name: "a", mode: 0o600, owner: 7, data: []byte("a")}, entry{name: "b", mode: 0o644, data: []byte("b")}
	one, other := pack(at, a, b), pack(at.Add(time.Hour), b, a)
	if !bytes.Equal(one, other) {
		t.Error("the two differ")
	}
	z, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	got, err := untar(z)
	if err != nil {
		t.Fatal(err)
	}
	a.mode, a.owner = 0o644, 0
	if diff := cmp.Diff([]entry{a, b}, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
}

// The list is the one that sha256sum --check takes, and is not in itself.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "b", "a": "", sumsName: "old"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := sums(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
