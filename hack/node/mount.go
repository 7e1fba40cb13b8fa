package node

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// mount says that mountPath inside the container is hostPath outside.
type mount struct {
	Path, Host string
}

// mountsOf joins the container's volume mounts with the volumes' directories.
// Longer paths come first, so that a mount inside another one wins.
func mountsOf(c *corev1.Container, dirs map[string]string) ([]mount, error) {
	var mounts []mount
	for i, vm := range c.VolumeMounts {
		dir, ok := dirs[vm.Name]
		if !ok {
			return nil, fmt.Errorf("volumeMounts[%d]: there is no volume %q", i, vm.Name)
		}
		at := path.Clean(vm.MountPath)
		if !path.IsAbs(at) || at == "/" {
			return nil, fmt.Errorf("volumeMounts[%d].mountPath %q: want an absolute path below /", i, vm.MountPath)
		}
		if vm.SubPath != "" && !filepath.IsLocal(vm.SubPath) {
			return nil, fmt.Errorf("volumeMounts[%d].subPath %q leaves the volume", i, vm.SubPath)
		}
		mounts = append(mounts, mount{Path: at, Host: filepath.Join(dir, vm.SubPath)})
	}
	slices.SortFunc(mounts, func(a, b mount) int { return len(b.Path) - len(a.Path) })
	return mounts, nil
}

// translate replaces every mount path in s by its host directory, where it
// stands as a path of its own: "--config=/etc/app/x" is one for the mount
// /etc/app, while "/etc/apple" and "http://host/etc/app" are not. What was
// replaced is not looked at again.
func translate(s string, mounts []mount) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '/' && (i == 0 || !inPath(s[i-1])) {
			if m := mountAt(s[i:], mounts); m != nil {
				out.WriteString(m.Host)
				i += len(m.Path)
				continue
			}
		}
		out.WriteByte(s[i])
		i++
	}
	return out.String()
}

func mountAt(s string, mounts []mount) *mount {
	for i, m := range mounts {
		if strings.HasPrefix(s, m.Path) && (len(s) == len(m.Path) || s[len(m.Path)] == '/' || !inPath(s[len(m.Path)])) {
			return &mounts[i]
		}
	}
	return nil
}

// inPath reports whether b continues a path or a word that began before it.
func inPath(b byte) bool {
	return b == '/' || b == '.' || b == '-' || b == '_' || b == '~' || b == ']' ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= 0x80
}
