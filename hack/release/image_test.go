package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// read is an image out of an archive, as docker load reads it.
func read(t *testing.T, archive []byte) v1.Image {
	t.Helper()
	image, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// files are those of an image's root.
func files(t *testing.T, image v1.Image) map[string]entry {
	t.Helper()
	r := mutate.Extract(image)
	defer r.Close()
	entries, err := untar(r)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]entry{}
	for _, e := range entries {
		all[e.name] = e
	}
	return all
}

func TestImage(t *testing.T) {
	p := program{name: "loadline-adapter", image: true}
	pack := func() []byte {
		t.Helper()
		image, err := imageOf(p, platform{"linux", "arm64"}, "v1.2.3", []byte("roots"), []byte("binary"), at)
		if err != nil {
			t.Fatal(err)
		}
		data, err := packed(image, p.name, "v1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	archive := pack()
	if !bytes.Equal(archive, pack()) {
		t.Error("other bytes at the second time")
	}
	image := read(t, archive)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		User: "65532:65532", Entrypoint: []string{"/program"}, WorkingDir: "/home/nonroot",
		Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: map[string]string{"org.opencontainers.image.title": "loadline-adapter", "org.opencontainers.image.version": "v1.2.3"},
	}
	if diff := cmp.Diff(want, config.Config); diff != "" {
		t.Error(diff)
	}
	if config.OS != "linux" || config.Architecture != "arm64" || config.Created.Unix() != at.Unix() || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("%s/%s of %s, %d layers", config.OS, config.Architecture, config.Created, len(config.RootFS.DiffIDs))
	}
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || !cmp.Equal(manifest[0].RepoTags, []string{"loadline-adapter:v1.2.3"}) {
		t.Errorf("%+v", manifest)
	}
	all := files(t, image)
	if got := all["program"]; string(got.data) != "binary" || got.mode != 0o755 || got.owner != 0 {
		t.Errorf("the program: %q, mode %o, owner %d", got.data, got.mode, got.owner)
	}
	if got := all["etc/ssl/certs/ca-certificates.crt"]; string(got.data) != "roots" {
		t.Errorf("certificates: %q", got.data)
	}
	if got := all["tmp/"]; got.mode&0o1777 != 0o1777 {
		t.Errorf("/tmp has mode %o", got.mode)
	}
	if got := all["home/nonroot/"]; got.owner != nobody {
		t.Errorf("the home is %d's", got.owner)
	}
	if len(all) != len(base(nil))+1 {
		t.Errorf("%d files", len(all))
	}
}

// The certificates are those of CAs, and as many as there are in the world.
func TestRootCertificates(t *testing.T) {
	rest, err := rootCertificates()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("something else is in it")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !c.IsCA {
			t.Errorf("%s is no CA", c.Subject)
		}
		n++
	}
	if n < 80 {
		t.Errorf("only %d", n)
	}
}
