// Package tempdir makes temporary directories that do not pile up: what a killed
// process could not remove, the next maker of a directory of that kind removes.
package tempdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is a file that the maker holds locked for as long as it lives: the
// kernel releases it with the process, however that ended.
const lockName = ".lock"

// Dir is a directory of this process's own.
type Dir struct {
	Path string
	lock *os.File
}

// New makes a directory PREFIX… in parent, for this user only. Before that it
// removes those of the same prefix whose makers are gone. That it cannot is no
// error: the new one does not depend on it.
func New(parent, prefix string) (*Dir, error) {
	sweep(parent, prefix, time.Now())
	// It gets its name when it is locked, so that nobody takes it for an
	// abandoned one before.
	unlocked, err := os.MkdirTemp(parent, "."+prefix)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(parent, strings.TrimPrefix(filepath.Base(unlocked), "."))
	lock, err := os.OpenFile(filepath.Join(unlocked, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			err = os.Rename(unlocked, path)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("temporary directory: %w", err), lock.Close(), os.RemoveAll(unlocked))
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Remove removes the directory with all that is in it. It may be called more
// than once.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	_ = d.lock.Close() // an error says that it was closed before
	return err
}

// nameless is how long a directory may be without its name and its lock. Its
// maker takes milliseconds; one that did not by then was killed.
const nameless = time.Minute

// sweep removes the directories of a prefix that nobody holds any more.
func sweep(parent, prefix string, now time.Time) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), prefix):
			_ = removeAbandoned(path)
		case strings.HasPrefix(e.Name(), "."+prefix):
			_ = removeNameless(path, now)
		}
	}
}

// removeNameless removes a directory whose maker was killed before it had its name.
func removeNameless(path string, now time.Time) error {
	info, err := ours(path)
	if err != nil {
		return err
	}
	if now.Sub(info.ModTime()) < nameless {
		return errors.New("its maker may be at work")
	}
	if err := removeAbandoned(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(path) // killed before the lock was made, so it is empty
}

// removeAbandoned removes a directory that New made, if its maker is gone.
func removeAbandoned(path string) error {
	if _, err := ours(path); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err // without a lock it is not New's, or is being removed
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err // its maker lives
	}
	return os.RemoveAll(path)
}

// ours checks that a path is a directory of this user: in a shared parent such as
// /tmp others can make directories of any name.
func ours(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return nil, errors.New("not a directory of this user")
	}
	return info, nil
}
