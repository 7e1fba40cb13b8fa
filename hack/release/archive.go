package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file or, with a name that ends in /, a directory.
type entry struct {
	name  string
	mode  int64
	owner int // user and group
	data  []byte
}

// tarOf packs entries in their order. Nothing of the machine is in it.
func tarOf(entries []entry, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner,
			Size: int64(len(e.data)), ModTime: at.UTC().Truncate(time.Second), Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// gzipped compresses data, without a name or a time.
func gzipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxEntry bounds a file that is unpacked, in bytes.
const maxEntry = 1 << 30

// untar reads the regular files and directories of an archive.
func untar(r io.Reader) ([]entry, error) {
	var entries []entry
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		e := entry{name: h.Name, mode: h.Mode, owner: h.Uid}
		switch h.Typeflag {
		case tar.TypeReg:
			if e.data, err = io.ReadAll(io.LimitReader(t, maxEntry)); err != nil {
				return nil, fmt.Errorf("%s: %w", h.Name, err)
			}
		case tar.TypeDir:
			e.name = strings.TrimSuffix(e.name, "/") + "/"
		default:
			return nil, fmt.Errorf("%s: is neither a file nor a directory", h.Name)
		}
		entries = append(entries, e)
	}
}

// repacked is a compressed archive with the same files, in the order of their names, of no
// time of today's.
func repacked(archive []byte, at time.Time) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	entries, err := untar(z)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	for i := range entries {
		entries[i].owner, entries[i].mode = 0, 0o644
		if strings.HasSuffix(entries[i].name, "/") {
			entries[i].mode = 0o755
		}
	}
	data, err := tarOf(entries, at)
	if err != nil {
		return nil, err
	}
	return gzipped(data)
}

// sums are the lines of sha256sum about the files of a directory, sorted by name.
func sums(dir string) ([]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, f := range files {
		if f.Name() == sumsName {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), f.Name())
	}
	return b.Bytes(), nil
}
