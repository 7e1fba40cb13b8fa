package node

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// waiting is why a container cannot start, as kubectl shows it.
type waiting struct {
	Reason, Message string
}

func (w *waiting) Error() string { return w.Reason + ": " + w.Message }

// findImage returns the image a container names, or the kubelet's reason with
// the remedy.
func findImage(images map[string]Image, name string) (Image, error) {
	if image, ok := images[name]; ok {
		return image, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(images)), ", ")
	return Image{}, &waiting{Reason: "ErrImagePull", Message: fmt.Sprintf(
		"image %q is no binary this process node was given; it has: %s", name, known)}
}

// arguments returns the binary and the arguments of a container before
// translation of paths.
func arguments(image Image, c *corev1.Container) (path string, args []string, err error) {
	path = image.Path
	switch {
	case len(c.Command) > 0:
		if path == "" {
			path = c.Command[0]
		}
		args = append(args, c.Command[1:]...)
		args = append(args, c.Args...)
	case len(c.Args) > 0:
		args = append(args, c.Args...)
	default:
		args = append(args, image.Args...)
	}
	if path == "" {
		return "", nil, &waiting{Reason: "CreateContainerError", Message: fmt.Sprintf(
			"image %q has no entry point: set the container's command", c.Image)}
	}
	return path, append(args, image.ExtraArgs...), nil
}

// probeCommand resolves an exec action: the image's own binary by its base
// name, any other program on the host.
func probeCommand(image Image, argv []string, mounts []mount) (string, []string) {
	path := translate(argv[0], mounts)
	if image.Path != "" && filepath.Base(path) == filepath.Base(image.Path) {
		path = image.Path
	}
	var args []string
	for _, arg := range argv[1:] {
		args = append(args, translate(arg, mounts))
	}
	return path, args
}

// runEnv is the whole environment of a process: what a runtime sets, what the
// manifest sets, and what the image adds where the manifest is silent. Mount
// paths in values become host directories.
func runEnv(declared, base, extra map[string]string, mounts []mount) map[string]string {
	env := maps.Clone(base)
	for name, value := range declared {
		env[name] = translate(value, mounts)
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if _, set := declared[name]; !set {
			env[name] = translate(expand(extra[name], lookupIn(env)), mounts)
		}
	}
	return env
}

func environ(env map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
