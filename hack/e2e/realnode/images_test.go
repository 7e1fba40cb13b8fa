//go:build e2e

package realnode

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxImage is what an image of ours may take in a registry, in bytes.
const maxImage = 40_000_000

// archive is what an OCI archive has in it, by name.
type archive map[string][]byte

func open(t *testing.T, name string) archive {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "bin", "images", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := archive{}
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[path.Clean(header.Name)] = data
	}
}

// descriptor names a part of an image.
type descriptor struct {
	MediaType, Digest string
	Size              int64
}

func (a archive) read(t *testing.T, d descriptor, into any) {
	t.Helper()
	if err := json.Unmarshal(a[blob(d)], into); err != nil {
		t.Fatalf("%s: %v", d.Digest, err)
	}
}

func blob(d descriptor) string { return "blobs/" + strings.ReplaceAll(d.Digest, ":", "/") }

// TestN1Images: an image of ours is small, runs as nobody in particular by a number, so that
// the kubelet can tell, and has nothing to run in it but our program.
func TestN1Images(t *testing.T) {
	for name, ours := range map[string]bool{
		"loadline-adapter-v1.tar": true, "loadline-policy-v1.tar": true,
		"remindmeweb-v1.tar": false, "remindmeapi-v1.tar": false, "remindme-worker-v1.tar": false, "remindme-queue-v1.tar": false,
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, name)
			var index struct{ Manifests []descriptor }
			if err := json.Unmarshal(a["index.json"], &index); err != nil || len(index.Manifests) != 1 {
				t.Fatalf("index.json: %v\n%s", err, a["index.json"])
			}
			var manifest struct {
				Config descriptor
				Layers []descriptor
			}
			a.read(t, index.Manifests[0], &manifest)
			var config struct {
				Config struct {
					User       string
					Entrypoint []string
				} `json:"config"`
			}
			a.read(t, manifest.Config, &config)
			size := manifest.Config.Size
			var programs []string
			for _, l := range manifest.Layers {
				size += l.Size
				if !strings.HasSuffix(l.MediaType, "gzip") {
					t.Errorf("layer %s is %s: not what a registry would hold", l.Digest, l.MediaType)
				}
				programs = append(programs, executables(t, a[blob(l)])...)
			}
			t.Logf("%d bytes compressed, %d layers, user %s, %v", size, len(manifest.Layers), config.Config.User, programs)
			if ours && size > maxImage {
				t.Errorf("it takes %d bytes compressed, want %d at most", size, maxImage)
			}
			if !regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`).MatchString(config.Config.User) {
				t.Errorf("user %q: not a number, or root", config.Config.User)
			}
			if !slices.Equal(config.Config.Entrypoint, []string{"/program"}) || !slices.Equal(programs, []string{"program"}) {
				t.Errorf("entrypoint %v, and what can be executed: %v", config.Config.Entrypoint, programs)
			}
		})
	}
}

// executables are the regular files of a layer that may be executed.
func executables(t *testing.T, layer []byte) []string {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for r := tar.NewReader(unpacked); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg && header.Mode&0o111 != 0 || header.Typeflag == tar.TypeSymlink {
			found = append(found, path.Clean(header.Name))
		}
	}
}
