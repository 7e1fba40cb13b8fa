package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loadline/loadline/policy/manifest"
)

// Stdin is how the standard input is named in places.
const Stdin = "<stdin>"

// Input is what was found in files.
type Input struct {
	Documents []manifest.Document
	// NotRead are files that are no plain manifests.
	NotRead []NotRead
	// Broken is what could not be read, and should have been.
	Broken []error
	// Others is how many files of directories hold no Kubernetes objects.
	Others int
	// Files is how many do.
	Files int
	// kustomized are the kustomizations that are not rendered, by directory.
	kustomized map[string]string
}

// NotRead is a file that was recognised and left out, and why.
type NotRead struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Read reads files, directories with all that is in them, and, as -, the standard
// input. It goes on after what it cannot read.
func Read(paths []string, stdin io.Reader) *Input {
	in := &Input{}
	for _, path := range paths {
		if path == "-" {
			in.read(Stdin, stdin, true)
			continue
		}
		if strings.Contains(path, "://") {
			in.Broken = append(in.Broken, fmt.Errorf("%s: only files are read: fetch it and give - for the standard input", path))
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			in.Broken = append(in.Broken, err)
		case info.IsDir():
			in.directory(path)
		default:
			in.file(path, true)
		}
	}
	return in
}

// extensions are those of the files of a directory that are looked into.
func manifestFile(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

// directory reads the files below a directory in the order of their names. Hidden ones
// are left out, as the versions of Git are.
func (in *Input) directory(root string) {
	var files []string
	charts, patches := map[string]bool{}, map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			in.Broken = append(in.Broken, err)
			return nil
		case path != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			if d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "Chart.yaml")); err == nil {
				charts[path] = true
				in.NotRead = append(in.NotRead, NotRead{path, "a Helm chart is not rendered: helm template DIRECTORY | kubectl loadline lint -"})
			}
			return nil
		case kustomization(d.Name()):
			in.NotRead = append(in.NotRead, NotRead{path, "a kustomization is not rendered, its resources are looked at as they are: kubectl kustomize DIRECTORY | kubectl loadline lint -"})
			if in.kustomized == nil {
				in.kustomized = map[string]string{}
			}
			in.kustomized[filepath.Dir(path)] = path
			for _, patch := range kustomizePatches(path) {
				patches[patch] = path
			}
			return nil
		}
		files = append(files, path)
		return nil
	})
	if err != nil {
		in.Broken = append(in.Broken, err)
	}
	for _, path := range files {
		switch {
		case ofChart(path, charts): // said of the chart
		case patches[path] != "":
			in.NotRead = append(in.NotRead, NotRead{path, "a part of an object only, for " + patches[path]})
		case manifestFile(path):
			in.file(path, false)
		}
	}
}

// ofChart says whether a file is a chart's template or its values. Plain objects beside
// them, such as those under crds, are read.
func ofChart(path string, charts map[string]bool) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if charts[dir] {
			rest, _ := filepath.Rel(dir, path)
			first, _, below := strings.Cut(filepath.ToSlash(rest), "/")
			return !below || first == "templates" || first == "ci"
		}
		if parent := filepath.Dir(dir); parent == dir {
			return false
		}
	}
}

func (in *Input) file(path string, named bool) {
	f, err := os.Open(path)
	if err != nil {
		in.Broken = append(in.Broken, err)
		return
	}
	defer f.Close()
	in.read(path, f, named)
}

// read reads one file. Of a file that somebody named more is expected than of one that
// lies in a directory.
func (in *Input) read(name string, r io.Reader, named bool) {
	data, err := io.ReadAll(io.LimitReader(r, manifest.MaxBytes+1))
	if err != nil {
		in.Broken = append(in.Broken, fmt.Errorf("%s: %w", name, err))
		return
	}
	docs, err := manifest.Read(name, bytes.NewReader(data))
	if err != nil {
		in.refused(name, data, err, named)
		return
	}
	before := len(in.Documents)
	for _, d := range docs {
		if d.GroupVersionKind().Kind != "" && d.GroupVersionKind().Version != "" {
			in.Documents = append(in.Documents, d)
		}
	}
	switch {
	case len(in.Documents) > before:
		in.Files++
	case named:
		in.Broken = append(in.Broken, fmt.Errorf("%s: there is no Kubernetes object in it: each has an apiVersion and a kind", name))
	default:
		in.Others++
	}
}

// refused is about a file that is no YAML, or holds no objects.
func (in *Input) refused(name string, data []byte, err error, named bool) {
	var syntax *manifest.SyntaxError
	isSyntax := errors.As(err, &syntax)
	switch {
	case isSyntax && !syntax.NoObject && bytes.Contains(data, []byte("{{")):
		line := 1 + bytes.Count(data[:bytes.Index(data, []byte("{{"))], []byte("\n"))
		in.NotRead = append(in.NotRead, NotRead{name, fmt.Sprintf("a template ({{ in line %d) is not rendered: give what it renders to", line)})
	case !named && isSyntax && (syntax.NoObject || !bytes.Contains(data, []byte("apiVersion")) || !bytes.Contains(data, []byte("kind"))):
		in.Others++
	default:
		in.Broken = append(in.Broken, err)
	}
}
