package tempdir

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const envMaker = "TEST_TEMPDIR_PARENT"

// The test binary is also the process that makes a directory and is killed.
func TestMain(m *testing.M) {
	if parent := os.Getenv(envMaker); parent != "" {
		dir, err := New(parent, "a-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(dir.Path)
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test ends
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func names(t *testing.T, parent string) []string {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func newDir(t *testing.T, parent, prefix string) *Dir {
	t.Helper()
	d, err := New(parent, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRemove(t *testing.T) {
	parent := t.TempDir()
	d := newDir(t, parent, "a-")
	if err := os.WriteFile(filepath.Join(d.Path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(d.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, names(t, parent)); diff != "" {
		t.Error(diff)
	}
}

// TestKilledMaker: a directory stays while its maker lives, and is removed by the
// next of its kind once the maker was killed.
func TestKilledMaker(t *testing.T) {
	parent := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maker := exec.CommandContext(t.Context(), self)
	maker.Env = append(os.Environ(), envMaker+"="+parent)
	maker.Stderr = os.Stderr
	out, err := maker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := maker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	path := line[:len(line)-1]

	if err := newDir(t, parent, "a-").Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a living process's directory is gone: %v", err)
	}
	if err := maker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = maker.Wait()
	if err := newDir(t, parent, "b-").Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a directory of another kind was removed: %v", err)
	}
	d := newDir(t, parent, "a-")
	if diff := cmp.Diff([]string{filepath.Base(d.Path)}, names(t, parent)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
}

// TestKilledBeforeTheName: what a maker left that was killed before its directory
// had its name is removed after a while; what is younger, locked, or not a
// maker's stays.
func TestKilledBeforeTheName(t *testing.T) {
	parent, now := t.TempDir(), time.Now()
	for name, tc := range map[string]struct {
		age  time.Duration
		file string
	}{
		".a-old":           {2 * time.Minute, ""},
		".a-old-lock":      {2 * time.Minute, lockName},
		".a-old-held":      {2 * time.Minute, lockName},
		".a-old-stranger":  {2 * time.Minute, "file"},
		".a-young":         {30 * time.Second, ""},
		".a-young-lock":    {30 * time.Second, lockName},
		".b-of-other-kind": {2 * time.Minute, ""},
	} {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if tc.file != "" {
			if err := os.WriteFile(filepath.Join(dir, tc.file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(dir, time.Time{}, now.Add(-tc.age)); err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(filepath.Join(parent, ".a-old-held", lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	sweep(parent, "a-", now)
	want := []string{".a-old-held", ".a-old-stranger", ".a-young", ".a-young-lock", ".b-of-other-kind"}
	if diff := cmp.Diff(want, names(t, parent)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestOthersStay: what New did not make is left alone.
func TestOthersStay(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Mkdir(filepath.Join(parent, "a-without-lock"), 0o700),
		os.WriteFile(filepath.Join(parent, "a-file"), nil, 0o600),
		os.Symlink(elsewhere, filepath.Join(parent, "a-link")),
		os.Mkdir(filepath.Join(parent, "a-linked-lock"), 0o700),
		os.Symlink(filepath.Join(elsewhere, lockName), filepath.Join(parent, "a-linked-lock", lockName)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := newDir(t, parent, "a-").Remove(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a-file", "a-link", "a-linked-lock", "a-without-lock"}, names(t, parent)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{lockName}, names(t, elsewhere)); diff != "" {
		t.Error(diff)
	}
}

// TestAtOnce: makers that run at once do not remove each other's directories.
func TestAtOnce(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				d, err := New(parent, "a-")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(filepath.Join(d.Path, lockName)); err != nil {
					t.Error(err)
				}
				if err := d.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff([]string{}, names(t, parent)); diff != "" {
		t.Error(diff)
	}
}

func TestNoParent(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "none"), "a-"); err == nil {
		t.Error("no error")
	}
}
