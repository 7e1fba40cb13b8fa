package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// build compiles all programs of a target into a directory beside the final
// one, and renames it into place when everything is there.
func (t target) build(ctx context.Context, parent string, show *progress) error {
	work, err := os.MkdirTemp(parent, unfinished+t.Name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) // after the rename there is nothing under this name
	for _, p := range t.Programs {
		if err := t.compile(ctx, p, filepath.Join(work, p.Name), show); err != nil {
			return fmt.Errorf("build %s %s: %w", p.Name, t.version, err)
		}
	}
	if err := t.copyFiles(ctx, filepath.Join(work, "files")); err != nil {
		return fmt.Errorf("files of %s %s: %w", t.Name, t.version, err)
	}
	return os.Rename(work, t.dir)
}

func (t target) compile(ctx context.Context, p Program, out string, show *progress) error {
	// -v names each package as it is compiled: the only sign of life in the
	// minutes that kube-apiserver takes.
	args := []string{"build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", t.ldflags, "-o", out}
	if t.Tags != "" {
		args = append(args, "-tags", t.Tags)
	}
	cmd := t.goCommand(ctx, append(args, p.Package)...)
	sink := show.start(p.Name + " " + t.version)
	cmd.Stdout, cmd.Stderr = sink, sink
	err := cmd.Run()
	sink.finish(err)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w\n%s", err, sink.tail())
}

// copyFiles copies the target's Files out of its module.
func (t target) copyFiles(ctx context.Context, to string) error {
	if len(t.Files) == 0 {
		return nil
	}
	// A module of which nothing was compiled may not be there yet.
	if err := t.goCommand(ctx, "mod", "download", t.Module).Run(); err != nil {
		return fmt.Errorf("go mod download %s: %w", t.Module, err)
	}
	out, err := t.goCommand(ctx, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", t.Module).Output()
	if err != nil {
		return fmt.Errorf("go list -m %s: %w", t.Module, err)
	}
	module := strings.TrimSpace(string(out))
	for _, dir := range t.Files {
		if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join(module, dir))); err != nil {
			return err
		}
	}
	return nil
}

func (t target) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.source
	// A workspace or a vendoring flag of the user is about the user's modules.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	// The go command cleans up after SIGINT, and takes its compilers with it.
	// In a group of its own it hears of Ctrl-C once, from here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
