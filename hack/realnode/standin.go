package realnode

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// golangDockerfile: a shell and nothing else, for the rest comes by --volume.
const golangDockerfile = `FROM scratch
COPY root/ /
ENV PATH=/usr/local/go/bin:/bin GOTOOLCHAIN=local GOMODCACHE=/machine/modules GOCACHE=/machine/cache
`

const distrolessDockerfile = `FROM scratch
COPY root/ /
USER 65532
WORKDIR /home/nonroot
`

const pauseDockerfile = `FROM scratch
COPY pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]
`

// standIns builds the images that carry the names of base images, and the pause image.
func (b *builder) standIns(ctx context.Context) error {
	golang, distroless, pause := b.dir("golang"), b.dir("distroless"), b.dir("pause")
	for dir, dockerfile := range map[string]string{golang: golangDockerfile, distroless: distrolessDockerfile, pause: pauseDockerfile} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
			return err
		}
	}
	if err := shellRoot(ctx, filepath.Join(golang, "root")); err != nil {
		return err
	}
	if err := nonrootRoot(filepath.Join(distroless, "root")); err != nil {
		return err
	}
	if err := b.compilePause(ctx, filepath.Join(pause, "pause")); err != nil {
		return err
	}
	sandbox := image{name: Sandbox}
	for _, of := range []struct {
		image
		dir string
	}{
		{image{name: "docker.io/library/golang:1.26"}, golang},
		{image{name: "gcr.io/distroless/static:nonroot"}, distroless},
		{sandbox, pause},
	} {
		if err := b.build(ctx, of.image, of.dir); err != nil {
			return err
		}
	}
	return b.save(ctx, sandbox)
}

func (b *builder) dir(name string) string { return filepath.Join(b.work, name) }

func (b *builder) compilePause(ctx context.Context, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./hack/realnode/pause")
	cmd.Dir = b.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the pause program: %w\n%s", err, text)
	}
	return nil
}

// library finds the paths in what ldd prints.
var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// shellRoot makes a root directory with this machine's shell.
func shellRoot(ctx context.Context, root string) error {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ldd", shell).Output()
	if err != nil {
		return fmt.Errorf("libraries of %s: %w", shell, err)
	}
	files := map[string]string{"/bin/sh": shell}
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		files[m[1]] = m[1]
	}
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(root, to), data, 0o755); err != nil {
			return err
		}
	}
	return directories(root, "tmp", "root", "etc/ssl/certs", "machine")
}

// nonrootRoot makes the root directory of gcr.io/distroless/static:nonroot.
func nonrootRoot(root string) error {
	if err := write(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"), 0o644); err != nil {
		return err
	}
	if err := write(filepath.Join(root, "etc/group"), []byte("root:x:0:\nnonroot:x:65532:\n"), 0o644); err != nil {
		return err
	}
	return directories(root, "tmp", "home/nonroot")
}

func write(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}

// directories makes them; tmp is for everybody.
func directories(root string, names ...string) error {
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if name == "tmp" {
			if err := os.Chmod(path, 0o777|os.ModeSticky); err != nil {
				return err
			}
		}
	}
	return nil
}
