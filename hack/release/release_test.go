//go:build e2e

package main

// Run: make verify-release

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is made for this machine's platform is all that is promised, right, and the same when
// it is made again. The other platforms differ in two variables of the compiler's.
func TestRelease(t *testing.T) {
	const version = "v0.9.9-test"
	here := platform{"linux", runtime.GOARCH}
	// Somebody may commit meanwhile.
	now, err := checkout(t.Context(), "../..", "HEAD", t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	made := func() map[string][]byte {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "dist")
		o, err := parse([]string{"-commit", now.commit, "-out", dir, "-version", version, "-platforms", here.String()}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.release(t.Context(), t.Output()); err != nil {
			t.Fatal(err)
		}
		if out, err := run(dir, "sha256sum", "--check", "--strict", sumsName); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if err := o.release(t.Context(), io.Discard); err == nil {
			t.Error("a second one is made over the first")
		}
		all := map[string][]byte{}
		for _, name := range names(t, dir) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] = data
		}
		return all
	}
	first := made()
	want := []string{
		"SHA256SUMS",
		archiveName("kubectl-loadline", version, here),
		imageName("loadline-adapter", version, here), archiveName("loadline-adapter", version, here),
		imageName("loadline-policy", version, here), archiveName("loadline-policy", version, here),
		"loadline-0.9.9-test.tgz",
	}
	got := []string{}
	for name := range first {
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	for name, of := range map[string][]string{
		"kubectl-loadline": {"LICENSE", "kubectl-loadline", "kubectl_complete-loadline"},
		"loadline-adapter": {"LICENSE", "loadline-adapter"},
		"loadline-policy":  {"LICENSE", "loadline-policy"},
	} {
		unpacked := unpack(t, first[archiveName(name, version, here)])
		in := []string{}
		for _, e := range unpacked {
			in = append(in, e.name)
		}
		if diff := cmp.Diff(of, in); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		binary := unpacked[slices.IndexFunc(unpacked, func(e entry) bool { return e.name == name })]
		stamped(t, binary, version)
		if name == "kubectl-loadline" {
			continue
		}
		image := read(t, first[imageName(name, version, here)])
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != "65532:65532" || config.Architecture != here.arch {
			t.Errorf("%s: user %s, %s", name, config.Config.User, config.Architecture)
		}
		if !bytes.Equal(files(t, image)["program"].data, binary.data) {
			t.Errorf("%s: the image has another program than the archive", name)
		}
	}
	chart := unpack(t, first["loadline-0.9.9-test.tgz"])
	about := chart[slices.IndexFunc(chart, func(e entry) bool { return e.name == "loadline/Chart.yaml" })]
	for _, line := range []string{"version: 0.9.9-test\n", "appVersion: " + version + "\n"} {
		if !strings.Contains(string(about.data), line) {
			t.Errorf("no %q in\n%s", line, about.data)
		}
	}
	second := made()
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs when it is made again", name)
		}
	}
}

// stamped checks what a program says of itself.
func stamped(t *testing.T, e entry, version string) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(e.data))
	if err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
	if info.Main.Version != version {
		t.Errorf("%s is of version %s", e.name, info.Main.Version)
	}
	for _, s := range info.Settings {
		if s.Key == "CGO_ENABLED" && s.Value != "0" || s.Key == "vcs.modified" && s.Value != "false" {
			t.Errorf("%s: %s=%s", e.name, s.Key, s.Value)
		}
	}
	if bytes.Contains(e.data, []byte(os.TempDir()+"/loadline-release-")) {
		t.Errorf("%s has the directory in it that it was built in", e.name)
	}
	if e.name != "kubectl-loadline" || runtime.GOOS != "linux" {
		return
	}
	file := filepath.Join(t.TempDir(), e.name)
	if err := os.WriteFile(file, e.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", file, "version"); err != nil || !strings.HasPrefix(out, "kubectl-loadline "+version+" (") {
		t.Errorf("it says %q, %v", out, err)
	}
}

func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

func unpack(t *testing.T, archive []byte) []entry {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := untar(z)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
