package realnode

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ImageOptions say where [BuildImages] works.
type ImageOptions struct {
	Root    string    // the repository
	Into    string    // directory for the archives
	Storage string    // buildah's, kept from one build to the next
	Log     io.Writer // progress
}

// image is one to build.
type image struct {
	name    string // such as "loadline-adapter:v1"; also of the archive
	context string // directory, from Root on
	args    []string
}

func (i image) archive() string {
	return strings.NewReplacer("/", "-", ":", "-").Replace(i.name) + ".tar"
}

// ref is the name under which kubelets look for it.
func (i image) ref() string {
	if strings.Contains(i.name, "/") {
		return i.name
	}
	return "docker.io/library/" + i.name
}

// projectImages are those of the repository's Dockerfiles.
func projectImages() []image {
	var images []image
	for _, of := range []struct{ binary, version string }{
		{"loadline-adapter", "v1"}, {"loadline-policy", "v1"},
	} {
		images = append(images, image{
			name: of.binary + ":" + of.version, context: ".",
			// A linked work tree has no .git that the compiler could ask.
			args: []string{"BINARY=" + of.binary, "VERSION=" + of.version, "GOFLAGS=-buildvcs=false"},
		})
	}
	for _, of := range []struct{ program, version string }{
		{"remindmeweb", "v1"}, {"remindmeweb", "v2"}, {"remindmeapi", "v1"}, {"remindmeapi", "v2"},
		{"remindme-worker", "v1"}, {"remindme-queue", "v1"},
	} {
		images = append(images, image{
			name: of.program + ":" + of.version, context: "deploy/examples/remindme",
			args: []string{"PROGRAM=" + of.program, "VERSION=" + of.version},
		})
	}
	return images
}

// buildTimeout bounds one image. The longest compiles all of the adapter, which takes
// minutes if the compiler's cache is empty.
const buildTimeout = 20 * time.Minute

// BuildImages builds the project's images by their own Dockerfiles, and the pause image,
// with buildah, and writes an archive of each. Nothing is pulled: stand-ins carry the
// names of the base images, golang:1.26 with this machine's Go, its modules and its
// compiler's cache, and gcr.io/distroless/static:nonroot with what that has but the time
// zones and certificates.
func BuildImages(ctx context.Context, o ImageOptions) error {
	b, err := newBuilder(ctx, o)
	if err != nil {
		return err
	}
	if err := b.standIns(ctx); err != nil {
		return err
	}
	for _, i := range projectImages() {
		if err := b.build(ctx, i, filepath.Join(o.Root, i.context)); err != nil {
			return err
		}
		if err := b.save(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// builder calls buildah.
type builder struct {
	ImageOptions
	goRoot, modules, cache string // of this machine's Go
	work                   string // contexts of the stand-ins
}

func newBuilder(ctx context.Context, o ImageOptions) (*builder, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	env := strings.Fields(string(out))
	if len(env) != 3 {
		return nil, fmt.Errorf("go env: %q", out)
	}
	b := &builder{ImageOptions: o, goRoot: env[0], modules: env[1], cache: env[2], work: filepath.Join(o.Storage, "stand-ins")}
	if b.Into, err = filepath.Abs(o.Into); err != nil {
		return nil, err
	}
	for _, dir := range []string{b.Into, b.Storage} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return b, os.WriteFile(b.policy(), []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600)
}

func (b *builder) policy() string { return filepath.Join(b.Storage, "policy.json") }

// buildah runs one command of it, with a storage of its own. What it says is shown if it
// fails.
func (b *builder) buildah(ctx context.Context, command string, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, fmt.Errorf("not done within %s", buildTimeout))
	defer cancel()
	all := append([]string{
		"--root=" + filepath.Join(b.Storage, "root"), "--runroot=" + filepath.Join(b.Storage, "run"),
		"--storage-driver=overlay", command, "--signature-policy=" + b.policy(),
	}, args...)
	cmd := exec.CommandContext(ctx, "buildah", all...)
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("buildah %s: %w\n%s", strings.Join(all, " "), err, out)
	}
	return nil
}

// build builds an image from a directory with a Dockerfile.
func (b *builder) build(ctx context.Context, i image, dir string) error {
	began := time.Now()
	args := []string{
		"--isolation=chroot", "--pull-never", "--layers",
		"--platform=linux/" + runtime.GOARCH,
		"--volume=" + b.goRoot + ":/usr/local/go:ro",
		"--volume=" + b.modules + ":/machine/modules",
		"--volume=" + b.cache + ":/machine/cache",
		"--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
		"--tag=" + i.ref(),
	}
	for _, arg := range i.args {
		args = append(args, "--build-arg="+arg)
	}
	if err := b.buildah(ctx, "build", append(args, "--file="+filepath.Join(dir, "Dockerfile"), dir)...); err != nil {
		return err
	}
	fmt.Fprintf(b.Log, "realnode: image %s after %s\n", i.name, time.Since(began).Round(time.Second))
	return nil
}

// save writes the archive of an image, compressed as it would be in a registry.
func (b *builder) save(ctx context.Context, i image) error {
	path := filepath.Join(b.Into, i.archive())
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return b.buildah(ctx, "push", i.ref(), "oci-archive:"+path+":"+i.ref())
}
