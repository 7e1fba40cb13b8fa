package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataLink names the symlink that is swapped. Programs that watch their
// configuration know this layout: dir/KEY → ..data/KEY, ..data → ..TIMESTAMP.
const dataLink = "..data"

// writeAtomic makes want the content of dir, such that a reader sees either all
// of the old files or all of the new ones. It reports whether anything changed;
// equal content is left alone, because every swap wakes file watchers.
func writeAtomic(dir string, want payload) (bool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if old != "" {
		if same, err := holds(filepath.Join(dir, old), want); err != nil || same {
			return false, err
		}
	}
	fresh, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return false, err
	}
	if err := fill(fresh, want); err != nil {
		return false, errors.Join(err, os.RemoveAll(fresh))
	}
	if err := swap(dir, filepath.Base(fresh), dataLink); err != nil {
		return false, errors.Join(err, os.RemoveAll(fresh))
	}
	if err := link(dir, want); err != nil {
		return true, err
	}
	if old != "" {
		return true, os.RemoveAll(filepath.Join(dir, old))
	}
	return true, nil
}

func fill(dir string, want payload) error {
	for name, f := range want {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			return err
		}
	}
	return nil
}

// swap points dir/name at target in one step.
func swap(dir, target, name string) error {
	temporary := filepath.Join(dir, name+"_tmp")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, name))
}

// link makes one visible symlink for each first path element of want and
// removes those that are no longer in it.
func link(dir string, want payload) error {
	visible := map[string]bool{}
	for name := range want {
		first, _, _ := strings.Cut(name, string(filepath.Separator))
		visible[first] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") || visible[e.Name()] {
			delete(visible, e.Name())
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	for name := range visible {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("show %s: %w", name, err)
		}
	}
	return nil
}

// holds reports whether dir has exactly the files of want.
func holds(dir string, want payload) (bool, error) {
	found := 0
	same := true
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, ok := want[name]
		if !ok {
			same = false
			return fs.SkipAll
		}
		data, err := os.ReadFile(path)
		found++
		same = same && err == nil && bytes.Equal(data, f.Data)
		return err
	})
	return same && found == len(want), err
}
