package manifest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// MaxBytes is the most that Read takes of one file. The API server takes 3 MiB in one
// request; a file may have many objects.
const MaxBytes = 16 << 20

// Document is one object of a file.
type Document struct {
	// File is its name, for messages.
	File string
	// Object is what it says, in the types that JSON has: int64 and float64 for numbers.
	Object map[string]any

	source *source
	within []step // the way to it in the source: an item of a List
}

// SyntaxError is a file that cannot be read.
type SyntaxError struct {
	File string
	Line int // from 1
	Text string
	// NoObject: it is YAML, and no object, as values of something else are.
	NoObject bool
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Read reads all objects of a file of YAML documents or of JSON objects. Documents
// without content are left out, and the items of a List take its place. YAML means what
// it means to kubectl; a key that comes twice is an error. The error is a *SyntaxError,
// or that of r.
func Read(file string, r io.Reader) ([]Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%s: more than %d MiB: split it", file, MaxBytes>>20)
	}
	parts := split(data)
	parsed, errs := make([]Document, len(parts)), make([]error, len(parts))
	// To parse is most of the work with a file of many documents.
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for i, part := range parts {
		all.Go(func() error {
			parsed[i], errs[i] = parse(file, part)
			return nil
		})
	}
	_ = all.Wait() // the first error is that of the file, not of the clock
	var docs []Document
	for i, d := range parsed {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if d.Object != nil {
			docs = append(docs, d.items()...)
		}
	}
	return docs, nil
}

func parse(file string, p part) (Document, error) {
	d := Document{File: file, source: &source{part: p}}
	asJSON, err := yaml.YAMLToJSONStrict(p.text)
	if err != nil {
		return d, syntaxError(file, p.line, err)
	}
	var value any
	if err := json.Unmarshal(asJSON, &value); err != nil {
		return d, &SyntaxError{File: file, Line: p.line, Text: err.Error()}
	}
	switch v := value.(type) {
	case nil:
		return d, nil
	case map[string]any:
		d.Object = v
	default:
		return d, &SyntaxError{File: file, Line: p.line, Text: "it is no object: write apiVersion, kind, metadata and spec", NoObject: true}
	}
	return d, nil
}

// yamlLine is how the parser begins its messages.
var yamlLine = regexp.MustCompile(`(?s)^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors:\s+)?line (\d+): (.*)`)

func syntaxError(file string, first int, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if line, parseErr := strconv.Atoi(m[1]); parseErr == nil {
			return &SyntaxError{File: file, Line: first + line - 1, Text: m[2]}
		}
	}
	text := err.Error()
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		text = inner.Error()
	}
	return &SyntaxError{File: file, Line: first, Text: strings.TrimPrefix(text, "yaml: ")}
}

// items returns the items of a List, as kubectl get -o yaml writes it, or of a list of
// one kind, as the API server writes it, whose items do not say their kind; or d itself.
func (d Document) items() []Document {
	list, ok := d.Object["items"].([]any)
	of, isList := strings.CutSuffix(d.text("kind"), "List")
	if !ok || !isList {
		return []Document{d}
	}
	var docs []Document
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if object["kind"] == nil && of != "" {
			object["apiVersion"], object["kind"] = d.text("apiVersion"), of
		}
		docs = append(docs, Document{File: d.File, Object: object, source: d.source, within: []step{{key: "items"}, {index: i}}})
	}
	return docs
}

func (d Document) text(key string) string {
	s, _ := d.Object[key].(string)
	return s
}

// GroupVersionKind is what the object says to be.
func (d Document) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(d.text("apiVersion"), d.text("kind"))
}

// Name is its metadata.name; empty if it has none.
func (d Document) Name() string { return d.metadata("name") }

// Namespace is its metadata.namespace; empty if it has none.
func (d Document) Namespace() string { return d.metadata("namespace") }

func (d Document) metadata(key string) string {
	meta, _ := d.Object["metadata"].(map[string]any)
	text, _ := meta[key].(string)
	return text
}
