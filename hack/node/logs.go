package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// logPath is where a container's output of all its starts is kept.
func (n *Node) logPath(pod *corev1.Pod, container string) string {
	return filepath.Join(n.opts.LogDir, fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID), container+".log")
}

func (n *Node) openLog(pod *corev1.Pod, container string) (*os.File, error) {
	path := n.logPath(pod, container)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Log opens the output so far of a container of a pod that is on this node now.
func (n *Node) Log(namespace, pod, container string) (io.ReadCloser, error) {
	w, err := n.find(namespace, pod)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(n.logPath(w.current(), container))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("container %q of pod %s/%s has not written a log", container, namespace, pod)
	}
	return f, err
}

// Kill sends a signal to every running container of a pod, as a fault would. It
// is an error if nothing of the pod runs.
func (n *Node) Kill(namespace, pod string, s syscall.Signal) error {
	w, err := n.find(namespace, pod)
	if err != nil {
		return err
	}
	hit := false
	var errs []error
	for _, c := range w.containers() {
		running, err := c.signal(s)
		hit = hit || running
		errs = append(errs, err)
	}
	if !hit {
		return fmt.Errorf("no container of pod %s/%s runs", namespace, pod)
	}
	return errors.Join(errs...)
}

// find prefers the pod that stays to one of the same name that goes.
func (n *Node) find(namespace, name string) (*worker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found *worker
	for _, w := range n.workers {
		pod := w.current()
		if pod.Namespace == namespace && pod.Name == name && (found == nil || pod.DeletionTimestamp == nil) {
			found = w
		}
	}
	if found == nil {
		return nil, fmt.Errorf("pod %s/%s is not on node %s", namespace, name, n.opts.Name)
	}
	return found, nil
}
