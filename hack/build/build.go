package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tools are the built programs.
type Tools struct {
	targets []target
}

// Path is the absolute path of a program, such as "kube-apiserver". It is empty
// for one that was not asked for.
func (t Tools) Path(program string) string {
	for _, target := range t.targets {
		for _, p := range target.Programs {
			if p.Name == program {
				return target.program(program)
			}
		}
	}
	return ""
}

// File is the absolute path of a directory in the Files of a tool.
func (t Tools) File(tool, dir string) string {
	for _, target := range t.targets {
		if target.Name == tool {
			return filepath.Join(target.dir, "files", dir)
		}
	}
	return ""
}

// Version is the pinned version of a tool, such as "v1.37.2" of "kubernetes". It is
// empty for a name the catalogue does not have.
func (t Tools) Version(tool string) string {
	for _, target := range t.targets {
		if target.Name == tool {
			return target.version
		}
	}
	return ""
}

// Locate finds the programs of the [Catalog] and of more tools built for the
// checkout around the working directory, and builds nothing. When one is missing
// the error says which, and how to build it.
func Locate(more ...Tool) (Tools, error) {
	targets, _, err := resolve(more)
	if err != nil {
		return Tools{}, err
	}
	var missing []string
	for _, t := range targets {
		if !t.built() {
			missing = append(missing, t.Name+" "+t.version)
		}
	}
	if len(missing) > 0 {
		return Tools{}, fmt.Errorf("not built yet: %s: run `%s`", strings.Join(missing, ", "), remedy(more))
	}
	return Tools{targets: targets}, nil
}

func remedy(more []Tool) string {
	if len(more) > 0 {
		return "go run ./hack/cmd/realnode build"
	}
	return "go run ./hack/cmd/cluster build"
}

// Ensure builds what [Locate] would find missing, and reports its progress to
// log. One build runs at a time for a cache; a second caller waits for it. A
// build that fails or is interrupted leaves no directory that Locate accepts.
func Ensure(ctx context.Context, log io.Writer, more ...Tool) (Tools, error) {
	targets, cache, err := resolve(more)
	if err != nil {
		return Tools{}, err
	}
	tools := Tools{targets: targets}
	if len(unbuilt(targets)) == 0 {
		return tools, nil
	}
	parent := filepath.Join(cache, "tools")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return Tools{}, err
	}
	unlock, err := lock(ctx, filepath.Join(parent, ".lock"), func() {
		fmt.Fprintln(log, "another build is running, waiting for it")
	})
	if err != nil {
		return Tools{}, err
	}
	defer unlock()
	// Whoever held the lock before may have died half way.
	if err := sweep(parent); err != nil {
		return Tools{}, err
	}
	todo := unbuilt(targets)
	show := newProgress(log, countPrograms(todo), time.Now)
	for _, t := range todo {
		if err := t.build(ctx, parent, show); err != nil {
			return Tools{}, err
		}
	}
	return tools, nil
}

func resolve(more []Tool) (targets []target, cache string, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, "", err
	}
	root, err := Root(wd)
	if err != nil {
		return nil, "", err
	}
	cache, err = CacheDir()
	if err != nil {
		return nil, "", err
	}
	targets, err = plan(root, cache, slices.Concat(Catalog(), more))
	return targets, cache, err
}

func unbuilt(targets []target) []target {
	var out []target
	for _, t := range targets {
		if !t.built() {
			out = append(out, t)
		}
	}
	return out
}

func countPrograms(targets []target) int {
	n := 0
	for _, t := range targets {
		n += len(t.Programs)
	}
	return n
}

const unfinished = ".building-"

// sweep removes what interrupted builds left. Only the holder of the lock may
// call it.
func sweep(parent string) error {
	stale, err := filepath.Glob(filepath.Join(parent, unfinished+"*"))
	if err != nil {
		return err
	}
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}
