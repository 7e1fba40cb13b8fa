package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// launch works out how a container is started now: configuration may have
// changed since its last start.
func (w *worker) launch(stop context.Context, c *corev1.Container) (launch, error) {
	ctx, cancel := context.WithTimeout(stop, callTimeout)
	defer cancel()
	image, err := findImage(w.node.opts.Images, c.Image)
	if err != nil {
		return launch{}, err
	}
	path, raw, err := arguments(image, c)
	if err != nil {
		return launch{}, err
	}
	w.mu.Lock()
	pod, dirs := w.pod, w.dirs
	w.mu.Unlock()
	mounts, err := mountsOf(c, dirs)
	if err != nil {
		return launch{}, &waiting{Reason: "CreateContainerConfigError", Message: err.Error()}
	}
	env, err := w.env(ctx, pod, c, image, mounts)
	if err != nil {
		return launch{}, &waiting{Reason: "CreateContainerConfigError", Message: err.Error()}
	}
	if image.Path == "" { // else it is a program of this machine, whatever is mounted
		path = translate(path, mounts)
	}
	var args []string
	for _, arg := range raw {
		args = append(args, expand(translate(arg, mounts), lookupIn(env)))
	}
	dir, err := w.workingDir(c, mounts)
	if err != nil {
		return launch{}, err
	}
	log, err := w.node.openLog(pod, c.Name)
	if err != nil {
		return launch{}, err
	}
	start := func(path string, args []string) command {
		return command{Path: path, Args: args, Env: environ(env), Dir: dir, Log: log}
	}
	return launch{
		command: start(path, args),
		close:   log.Close,
		target: target{ip: w.place().PodIP, ports: c.Ports, exec: func(argv []string) (command, error) {
			return start(probeCommand(image, argv, mounts)), nil
		}},
	}, nil
}

// env is the environment of the container's process.
func (w *worker) env(ctx context.Context, pod *corev1.Pod, c *corev1.Container, image Image, mounts []mount) (map[string]string, error) {
	services, err := w.node.services(ctx, pod)
	if err != nil {
		return nil, err
	}
	declared, err := containerEnv(pod, c, w.place(), services, readObjects(ctx, w.node.client, pod.Namespace))
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(w.root, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, err
	}
	base := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": tmp, "HOSTNAME": pod.Name, "TMPDIR": translate("/tmp", mounts),
	}
	if base["TMPDIR"] == "/tmp" {
		base["TMPDIR"] = tmp
	}
	if i := slices.IndexFunc(mounts, func(m mount) bool { return m.Path == tokenMount }); i >= 0 {
		data, err := kubeconfig(w.node.api, mounts[i].Host, pod.Namespace)
		if err != nil {
			return nil, err
		}
		base["KUBECONFIG"] = filepath.Join(w.root, kubeconfigFile)
		if err := os.WriteFile(base["KUBECONFIG"], data, 0o600); err != nil {
			return nil, err
		}
	}
	return runEnv(declared, base, image.ExtraEnv, mounts), nil
}

// workingDir is the mounted directory the container names, or one of its own:
// the image's file system does not exist here.
func (w *worker) workingDir(c *corev1.Container, mounts []mount) (string, error) {
	if dir := translate(c.WorkingDir, mounts); c.WorkingDir != "" && dir != c.WorkingDir {
		return dir, nil
	}
	dir := filepath.Join(w.root, "work", c.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	return dir, nil
}

// services reads the services live, for the reason readObjects does: an apply
// that makes a service and its client must not race with a cache.
func (n *Node) services(ctx context.Context, pod *corev1.Pod) (map[string]string, error) {
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	if !links {
		return serviceEnv(nil, false, n.proxy.address, n.api), nil
	}
	list, err := n.client.CoreV1().Services(pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var services []*corev1.Service
	for i := range list.Items {
		services = append(services, &list.Items[i])
	}
	return serviceEnv(services, true, n.proxy.address, n.api), nil
}
