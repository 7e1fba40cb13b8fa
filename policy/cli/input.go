package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/policy/manifest"
)

// stdin is how messages name it.
const stdin = "<stdin>"

// inputFlags say which files are read, in kubectl's words.
type inputFlags struct {
	files     []string
	recursive bool
}

func (f *inputFlags) addFlags(fs *pflag.FlagSet, of string) {
	fs.StringSliceVarP(&f.files, "filename", "f", nil, of+" Or a directory, of which the files *.yaml, *.yml and *.json are read, or - for the standard input. Can be given several times.")
	fs.BoolVarP(&f.recursive, "recursive", "R", false, "Read the directories in a directory given with -f, too.")
}

// readAll reads the documents of all files; the standard input can be read once.
func (f *inputFlags) readAll(in io.Reader) ([]manifest.Document, error) {
	var files []string
	for _, name := range f.files {
		in, err := f.expand(name)
		if err != nil {
			return nil, err
		}
		files = append(files, in...)
	}
	var docs []manifest.Document
	seen := map[string]bool{}
	for _, file := range files {
		if seen[file] {
			return nil, usagef("-f %s is given twice", file)
		}
		seen[file] = true
		read, err := readFile(file, in)
		if err != nil {
			return nil, err
		}
		docs = append(docs, read...)
	}
	return docs, nil
}

func readFile(file string, in io.Reader) ([]manifest.Document, error) {
	if file == "-" {
		return manifest.Read(stdin, in)
	}
	if strings.Contains(file, "://") {
		return nil, usagef("-f %s: only files are read: fetch it and give -f - for the standard input", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return manifest.Read(file, f)
}

// expand returns the files of a directory in the order of their names, or the name of
// what is none.
func (f *inputFlags) expand(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, nil // whoever opens it tells
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != name && !f.recursive:
			return fs.SkipDir
		case !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the directory %s has no file *.yaml, *.yml or *.json: see -R", name)
	}
	return files, err
}
