package realnode

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImageNames(t *testing.T) {
	for name, want := range map[string][2]string{
		"loadline-adapter:v1":  {"loadline-adapter-v1.tar", "docker.io/library/loadline-adapter:v1"},
		Sandbox:                {"localhost-pause-local.tar", "localhost/pause:local"},
		"gcr.io/d/static:none": {"gcr.io-d-static-none.tar", "gcr.io/d/static:none"},
	} {
		i := image{name: name}
		if diff := cmp.Diff(want, [2]string{i.archive(), i.ref()}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Each image of the project is built by a Dockerfile that is there, under a name of its own,
// and with arguments that the Dockerfile has.
func TestProjectImages(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range projectImages() {
		if seen[i.archive()] {
			t.Errorf("%s is built twice", i.name)
		}
		seen[i.archive()] = true
		dockerfile, err := os.ReadFile(filepath.Join("..", "..", i.context, "Dockerfile"))
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range i.args {
			name, _, _ := strings.Cut(arg, "=")
			if !strings.Contains(string(dockerfile), "\nARG "+name) {
				t.Errorf("%s: %s/Dockerfile has no argument %s", i.name, i.context, name)
			}
		}
	}
}

func TestLibraries(t *testing.T) {
	const ldd = "\tlinux-vdso.so.1 (0x00007f08d8e28000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f08d8c13000)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f08d8e2a000)\n"
	var got []string
	for _, m := range library.FindAllStringSubmatch(ldd, -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff([]string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}, got); diff != "" {
		t.Error(diff)
	}
}

// Groups are removed from their leaves up, and what is in use is not lost sight of.
func TestRemoveTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "loadline-realnode-1")
	if err := os.MkdirAll(filepath.Join(dir, "kubepods", "pod1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
	if err := removeTree(dir); err != nil {
		t.Errorf("once more: %v", err)
	}
	// A file in a directory stands for a process in a group: neither can be removed.
	if err := os.MkdirAll(filepath.Join(dir, "kubepods"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kubepods", "used"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(dir); err == nil {
		t.Error("a group in use counts as removed")
	}
}

// The root directories of the stand-ins have what the Dockerfiles need: a shell to build by,
// and none to run in.
func TestStandIns(t *testing.T) {
	golang, distroless := t.TempDir(), t.TempDir()
	if err := shellRoot(t.Context(), golang); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(golang, "bin", "sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("no shell: %v", err)
	}
	if err := nonrootRoot(distroless); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(distroless, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, distroless))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/group", "/etc/passwd"}, files); diff != "" {
		t.Error(diff)
	}
}

// The JSON that the node's programs read is such, and names no place but the node's own.
func TestConfigStaysInItsDirectory(t *testing.T) {
	l := layout{dir: "/state", cgroup: "/loadline-realnode-1"}
	kubelet, err := kubeletConfig(l, "/state/ca", "/state/cert", "/state/key")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := proxyConfig("/state/kubeconfig")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"kubelet": kubelet, "kube-proxy": proxy} {
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, value := range fields {
			if path, ok := value.(string); ok && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/state/") && key != "cgroupRoot" {
				t.Errorf("%s: %s is %s", name, key, path)
			}
		}
	}
	for _, line := range strings.Split(containerdConfig(l), "\n") {
		key, value, found := strings.Cut(line, " = ")
		if path := strings.Trim(value, `"`); found && strings.HasPrefix(path, "/") &&
			!strings.HasPrefix(path, "/state/") && !strings.HasPrefix(path, "/run/loadline/") && strings.TrimSpace(key) != "bin_dir" {
			t.Errorf("containerd: %s", line)
		}
	}
}
