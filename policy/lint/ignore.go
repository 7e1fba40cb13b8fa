package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"

	"github.com/loadline/loadline/policy/guard"
)

// IgnoreFile is the name of the file of ignores that is read if none is given.
const IgnoreFile = ".loadline-lint.yaml"

// AllowAnnotation begins the name of the annotation by which an object allows what it
// takes part in: loadline.dev/allow-12-replicas-in-manifest, with the reason as its value.
// The policies of deploy/admission read the same one.
const AllowAnnotation = "loadline.dev/allow-"

// allowSwitch is the one that begins so and is about no finding: loadline-policy reads it
// of what a managed switch moves.
const allowSwitch = AllowAnnotation + "switch"

// Ignore is one reason not to report a finding.
type Ignore struct {
	ID guard.ID `json:"id"`
	// Object is whose; everybody's if it is nil.
	Object *IgnoreObject `json:"object,omitempty"`
	Reason string        `json:"reason"`
	// At is where it is written.
	At string `json:"at"`

	// related: it is also for findings in which the object only takes part.
	related bool
	used    bool
}

func (i *Ignore) matches(f guard.Finding) bool {
	return i.ID == f.ID && (i.Object.matches(f.Object) || i.related && slices.ContainsFunc(f.Related, i.Object.matches))
}

// IgnoreObject chooses objects. What is empty matches all, and in a name * matches any
// characters.
type IgnoreObject struct {
	Kind      string `json:"kind,omitempty" yaml:"kind"`
	Namespace string `json:"namespace,omitempty" yaml:"namespace"`
	Name      string `json:"name,omitempty" yaml:"name"`
}

func (o *IgnoreObject) matches(of guard.Object) bool {
	if o == nil {
		return true
	}
	match := func(pattern, text string) bool {
		ok, err := path.Match(pattern, text)
		return pattern == "" || err == nil && ok
	}
	return (o.Kind == "" || o.Kind == of.Kind) && match(o.Namespace, of.Namespace) && match(o.Name, of.Name)
}

// entry is an Ignore as it is written, with its line.
type entry struct {
	ID     string        `yaml:"id"`
	Object *IgnoreObject `yaml:"object"`
	Reason string        `yaml:"reason"`
}

// ReadIgnores reads a file of ignores:
//
//	ignore:
//	- id: GUARD-12
//	  object: {kind: Deployment, namespace: shop, name: web-*}   # all if it is left out
//	  reason: Argo CD ignores the field
//
// The error has every mistake with its line.
func ReadIgnores(name string, r io.Reader) ([]Ignore, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIgnoreBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(data) > maxIgnoreBytes:
		return nil, fmt.Errorf("%s: more than %d KiB", name, maxIgnoreBytes>>10)
	}
	var file struct {
		Ignore []yamlnode.Node `yaml:"ignore"`
	}
	decoder := yamlnode.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var all []Ignore
	var wrong []error
	for i := range file.Ignore {
		one, err := readEntry(&file.Ignore[i])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, file.Ignore[i].Line, err))
			continue
		}
		one.At = fmt.Sprintf("%s:%d", name, file.Ignore[i].Line)
		all = append(all, one)
	}
	return all, errors.Join(wrong...)
}

const maxIgnoreBytes = 1 << 20

func readEntry(node *yamlnode.Node) (Ignore, error) {
	var e entry
	if node.Kind == yamlnode.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if k := node.Content[i].Value; !slices.Contains([]string{"id", "object", "reason"}, k) {
				return Ignore{}, fmt.Errorf("%s: there is no such field: the fields here are id, object and reason", k)
			}
		}
	}
	if err := node.Decode(&e); err != nil {
		return Ignore{}, err
	}
	id, err := guard.ParseID(e.ID)
	if err != nil {
		return Ignore{}, err
	}
	if strings.TrimSpace(e.Reason) == "" {
		return Ignore{}, fmt.Errorf("%s is ignored without a reason: give one", id)
	}
	if e.Object != nil {
		for _, pattern := range []string{e.Object.Namespace, e.Object.Name} {
			if _, err := path.Match(pattern, ""); err != nil {
				return Ignore{}, fmt.Errorf("%q is no pattern: * stands for any characters", pattern)
			}
		}
	}
	return Ignore{ID: id, Object: e.Object, Reason: e.Reason}, nil
}

// annotated are the ignores that an object bears, and what is wrong with them. An
// annotation is for whatever its object takes part in: of a Deployment and its HPA either
// may have it.
func annotated(one item) ([]Ignore, []error) {
	var all []Ignore
	var wrong []error
	annotations := one.object.GetAnnotations()
	for _, k := range slices.Sorted(maps.Keys(annotations)) {
		text, ok := strings.CutPrefix(k, AllowAnnotation)
		if !ok || k == allowSwitch {
			continue
		}
		at := one.name()
		if one.doc != nil {
			at = fmt.Sprintf("%s:%d", one.doc.File, one.doc.Line("metadata.annotations["+k+"]"))
		}
		id, err := guard.ParseSlug(text)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s: the annotation %s: %w", at, k, err))
		case strings.TrimSpace(annotations[k]) == "":
			wrong = append(wrong, fmt.Errorf("%s: the annotation %s has no reason: give one as its value", at, k))
		default:
			o := &IgnoreObject{Kind: one.object.GetKind(), Namespace: one.object.GetNamespace(), Name: one.object.GetName()}
			all = append(all, Ignore{ID: id, Object: o, Reason: annotations[k], At: at, related: true})
		}
	}
	return all, wrong
}
