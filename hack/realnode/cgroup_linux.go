package realnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroupRoot is where the machine has its control groups: of version 2, or a directory
// for each hierarchy of version 1.
const cgroupRoot = "/sys/fs/cgroup"

const cgroupPrefix = "loadline-realnode-"

// hierarchies are the directories that have control groups in them.
func hierarchies() ([]string, error) {
	if isCgroup(cgroupRoot) {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		// Several names may be links to one hierarchy.
		if dir := filepath.Join(cgroupRoot, e.Name()); e.IsDir() && isCgroup(dir) {
			found = append(found, dir)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no control groups in %s", cgroupRoot)
	}
	return found, nil
}

func isCgroup(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cgroup.procs"))
	return err == nil
}

// makeCgroups makes the group that the kubelet puts all pods under.
func makeCgroups(name string) error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// removeCgroups removes the group with all that the kubelet made in it. A process that was
// killed may be in it for a moment longer.
func removeCgroups(name string) error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	var left error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		left = nil
		for _, dir := range dirs {
			left = errors.Join(left, removeTree(filepath.Join(dir, name)))
		}
		if left == nil {
			return nil
		}
	}
	return fmt.Errorf("control groups that are still in use: %w", left)
}

// removeTree removes a group from its leaves up. The files in it cannot be removed, and
// need not be.
func removeTree(dir string) error {
	var groups []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, group := range slices.Backward(groups) {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sweepCgroups removes what a killed process could not. Only the holder of the lock may.
func sweepCgroups() error {
	dirs, err := hierarchies()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), cgroupPrefix) {
				names[e.Name()] = true
			}
		}
	}
	for name := range names {
		err = errors.Join(err, removeCgroups(name))
	}
	return err
}
