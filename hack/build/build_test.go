package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// smallTarget is a target whose wrapper module is one file without requirements.
func smallTarget(t *testing.T, source string) (target, string) {
	t.Helper()
	dir, cache := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.test/small\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "main.go"), source)
	write(t, filepath.Join(dir, "stages", "one.yaml"), "a: 1\n")
	return target{
		Tool: Tool{
			Name:     "small",
			Module:   "example.test/small",
			Programs: []Program{{"small", "example.test/small"}},
			Files:    []string{"stages"},
		},
		version: "v1.2.3",
		source:  dir,
		ldflags: "-X main.version=v1.2.3",
		dir:     filepath.Join(cache, "small-v1.2.3-abc"),
	}, cache
}

func TestBuild(t *testing.T) {
	small, cache := smallTarget(t, "package main\n\nvar version string\n\nfunc main() { print(version) }\n")
	var log bytes.Buffer
	if err := small.build(t.Context(), cache, newProgress(&log, 1, time.Now)); err != nil {
		t.Fatal(err)
	}
	if !small.built() {
		t.Fatal("built, but not in place")
	}
	out, err := exec.Command(small.program("small")).CombinedOutput()
	if err != nil || string(out) != "v1.2.3" {
		t.Errorf("the program prints %q, %v", out, err)
	}
	tools := Tools{targets: []target{small}}
	if data, err := os.ReadFile(filepath.Join(tools.File("small", "stages"), "one.yaml")); err != nil || string(data) != "a: 1\n" {
		t.Errorf("file beside it: %q, %v", data, err)
	}
	if got := tools.Path("small"); got != small.program("small") {
		t.Errorf("Path is %q", got)
	}
	if got := tools.Path("unknown"); got != "" {
		t.Errorf("Path of an unknown program is %q", got)
	}
	for _, want := range []string{"[1/1] small v1.2.3: building\n", "[1/1] small v1.2.3: done in "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("progress lacks %q:\n%s", want, log.String())
		}
	}
	onlyEntry(t, cache, "small-v1.2.3-abc")
}

func TestBuildThatFailsLeavesNothing(t *testing.T) {
	small, cache := smallTarget(t, "package main\n\nfunc main() { undefinedName() }\n")
	var log bytes.Buffer
	err := small.build(t.Context(), cache, newProgress(&log, 1, time.Now))
	if err == nil || !strings.Contains(err.Error(), "undefined: undefinedName") {
		t.Errorf("error %v does not show the compiler's", err)
	}
	if !strings.Contains(log.String(), "failed in") {
		t.Errorf("progress does not tell: %s", log.String())
	}
	onlyEntry(t, cache)
}

func TestBuildThatIsInterruptedLeavesNothing(t *testing.T) {
	small, cache := smallTarget(t, "package main\n\nfunc main() {}\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := small.build(ctx, cache, newProgress(&bytes.Buffer{}, 1, time.Now))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	onlyEntry(t, cache)
}

func onlyEntry(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func TestSweepRemovesUnfinishedOnly(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, unfinished+"etcd-1", "etcd"), "half")
	write(t, filepath.Join(dir, "etcd-v1-abc", "etcd"), "whole")
	if err := sweep(dir); err != nil {
		t.Fatal(err)
	}
	onlyEntry(t, dir, "etcd-v1-abc")
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	never := func() { t.Error("waited for a free lock") }
	unlock, err := lock(t.Context(), path, never)
	if err != nil {
		t.Fatal(err)
	}
	waiting, second := make(chan struct{}), make(chan error, 1)
	go func() {
		release, err := lock(t.Context(), path, func() { close(waiting) })
		if err == nil {
			release()
		}
		second <- err
	}()
	<-waiting
	select {
	case err := <-second:
		t.Fatalf("second holder beside the first (%v)", err)
	default:
	}
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestLockGivesUpWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := lock(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestStepKeepsTheEnd(t *testing.T) {
	s := &step{}
	for range 3 {
		if _, err := s.Write([]byte(strings.Repeat("package\n", 30) + "an err")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("or\n")); err != nil {
			t.Fatal(err)
		}
	}
	tail := s.tail()
	if s.packages != 93 || strings.Count(tail, "an error\n") != 2 || strings.Count(tail, "\n") != keptLines {
		t.Errorf("%d lines counted; kept:\n%s", s.packages, tail)
	}
}
