package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestWriteAtomic(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vol")
	for i, step := range []struct {
		want    map[string]string
		changed bool
	}{
		{map[string]string{"a": "1", "sub/b": "2"}, true},
		{map[string]string{"a": "1", "sub/b": "2"}, false},
		{map[string]string{"a": "1", "sub/b": "3"}, true},
		{map[string]string{"c": "4"}, true},
		{map[string]string{}, true},
		{map[string]string{}, false},
	} {
		content := payload{}
		for name, data := range step.want {
			content[name] = file{Data: []byte(data), Mode: 0o600}
		}
		changed, err := writeAtomic(dir, content)
		if err != nil || changed != step.changed {
			t.Fatalf("step %d: changed %v, %v", i, changed, err)
		}
		if diff := cmp.Diff(step.want, visible(t, dir)); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
		hidden, err := filepath.Glob(filepath.Join(dir, "..*"))
		if err != nil || len(hidden) != 2 { // ..data and what it points at
			t.Errorf("step %d leaves %v (%v)", i, hidden, err)
		}
	}
}

// visible reads the files as a program in the pod would, through the links.
func visible(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, pattern := range []string{"*", "*/*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); strings.HasPrefix(name, "..") || err == nil && info.IsDir() {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = string(data)
		}
	}
	return got
}

func TestSelectKeys(t *testing.T) {
	mode, exec := int32(0o444), int32(0o755)
	data := map[string][]byte{"a": []byte("1"), "b": []byte("2")}
	got, err := selectKeys(data, []corev1.KeyToPath{{Key: "a", Path: "x/./y", Mode: &exec}, {Key: "none", Path: "z"}}, &mode, true)
	if diff := cmp.Diff(payload{"x/y": {Data: []byte("1"), Mode: 0o700}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	got, err = selectKeys(data, nil, &mode, false)
	if diff := cmp.Diff(payload{"a": {Data: []byte("1"), Mode: 0o400}, "b": {Data: []byte("2"), Mode: 0o400}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err = selectKeys(data, []corev1.KeyToPath{{Key: "none", Path: "z"}}, nil, false); err == nil || err.Error() != `no key "none"` {
		t.Errorf("missing key: %v", err)
	}
	if _, err = selectKeys(data, []corev1.KeyToPath{{Key: "a", Path: "../z"}}, nil, false); err == nil || err.Error() != `path "../z" leaves the volume` {
		t.Errorf("path outside: %v", err)
	}
}
