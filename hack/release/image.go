package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody is the user of the image, by number: the kubelet can tell only of a number that it
// is not root.
const nobody = 65532

const (
	certificates = "etc/ssl/certs/ca-certificates.crt"
	home         = "home/nonroot/"
)

// base is the lowest layer: of distroless/static what the programs need.
func base(roots []byte) []entry {
	return []entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: certificates, mode: 0o644, data: roots},
		{name: "home/", mode: 0o755},
		{name: home, mode: 0o700, owner: nobody},
		{name: "tmp/", mode: 0o1777},
	}
}

// imageOf is the image of a program, as the Dockerfile has it but for the base.
func imageOf(p program, of platform, version string, roots, binary []byte, at time.Time) (v1.Image, error) {
	at = at.UTC().Truncate(time.Second)
	image := empty.Image
	for _, l := range []struct {
		by      string
		entries []entry
	}{
		{"a user, /tmp and root certificates", base(roots)},
		{"COPY program /program", []entry{{name: "program", mode: 0o755, data: binary}}},
	} {
		data, err := tarOf(l.entries, at)
		if err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: l.by}})
		if err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = of.os, of.arch, v1.Time{Time: at}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", nobody, nobody),
		Entrypoint: []string{"/program"},
		WorkingDir: "/" + home[:len(home)-1],
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/" + certificates},
		Labels:     map[string]string{"org.opencontainers.image.title": p.name, "org.opencontainers.image.version": version},
	}
	return mutate.ConfigFile(image, config)
}

// packed is an image as docker save writes it, under NAME:VERSION; docker load and ctr images
// import read it.
func packed(image v1.Image, program, version string) ([]byte, error) {
	tag, err := name.NewTag(program + ":" + version)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := tarball.Write(tag, image, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
