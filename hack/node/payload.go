package node

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
)

// payload is the content of a volume: files by path relative to it.
type payload map[string]file

type file struct {
	Data []byte
	Mode fs.FileMode
}

// fileMode keeps the owner's bits only: what reads the file runs as ourselves,
// and nobody else on this machine has business with a pod's secrets.
func fileMode(item, volume *int32) fs.FileMode {
	mode := fs.FileMode(0o644)
	if volume != nil {
		mode = fs.FileMode(*volume)
	}
	if item != nil {
		mode = fs.FileMode(*item)
	}
	return mode & 0o700
}

// selectKeys lays out the data of a ConfigMap or Secret: all keys by their
// names, or only items, each at its path.
func selectKeys(data map[string][]byte, items []corev1.KeyToPath, mode *int32, optional bool) (payload, error) {
	out := payload{}
	if len(items) == 0 {
		for key, value := range data {
			out[key] = file{Data: value, Mode: fileMode(nil, mode)}
		}
		return out, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if optional {
				continue
			}
			return nil, fmt.Errorf("no key %q", item.Key)
		}
		if err := out.add(item.Path, file{Data: value, Mode: fileMode(item.Mode, mode)}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p payload) add(path string, f file) error {
	if !filepath.IsLocal(path) {
		return fmt.Errorf("path %q leaves the volume", path)
	}
	p[filepath.Clean(path)] = f
	return nil
}

func configMapData(cm *corev1.ConfigMap) map[string][]byte {
	data := maps.Clone(cm.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for key, value := range cm.Data {
		data[key] = []byte(value)
	}
	return data
}

func downwardFiles(pod *corev1.Pod, at placement, items []corev1.DownwardAPIVolumeFile, mode *int32) (payload, error) {
	out := payload{}
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = fieldValue(pod, at, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, err = containerResource(pod, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, fmt.Errorf("downwardAPI %s: %w", item.Path, err)
		}
		if err := out.add(item.Path, file{Data: []byte(value), Mode: fileMode(item.Mode, mode)}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func containerResource(pod *corev1.Pod, ref *corev1.ResourceFieldSelector) (string, error) {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == ref.ContainerName {
			return resourceValue(&pod.Spec.Containers[i], ref)
		}
	}
	return "", fmt.Errorf("there is no container %q", ref.ContainerName)
}
