package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/loadline/loadline/policy/manifest"
)

// stdin is how messages name it.
const stdin = "<stdin>"

// readAll reads the documents of files; - is the standard input, which can be read
// once.
func readAll(files []string, in io.Reader) ([]manifest.Document, error) {
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
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name its files", file)
	}
	return manifest.Read(file, f)
}
