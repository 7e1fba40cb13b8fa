package manifest

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	yamlnode "go.yaml.in/yaml/v3"
)

// source is the text of a document, which is parsed for its lines only if somebody asks:
// of most documents nobody does.
type source struct {
	part
	once sync.Once
	root *yamlnode.Node
}

// node is the document with lines; nil for what is no YAML to this parser, such as JSON
// with tabs, which has no lines but its first.
func (s *source) node() *yamlnode.Node {
	s.once.Do(func() {
		var node yamlnode.Node
		if yamlnode.Unmarshal(s.text, &node) == nil && len(node.Content) == 1 {
			s.root = node.Content[0]
		}
	})
	return s.root
}

// Position is a place in a file, both from 1.
type Position struct{ Line, Column int }

// at is the place of a node; its parser counts from the document's first line.
func (s *source) at(line, column int) Position {
	if line == 1 {
		column += s.column
	}
	return Position{Line: s.line + line - 1, Column: column}
}

// Line returns the line in the file, from 1, of a field such as
// spec.objectives[0].queue.perPod. Of a field that is not written it is that of the
// nearest one around it that is.
func (d Document) Line(field string) int { return d.Position(field).Line }

// Position returns the line and the column of a field's name, or of the item of a list,
// by the rules of Line. A column counts characters, as YAML does.
func (d Document) Position(field string) Position {
	node := d.source.node()
	if node == nil {
		return d.source.at(1, 1)
	}
	at := d.source.at(node.Line, node.Column)
	for i, s := range append(slices.Clip(d.within), steps(field)...) {
		next, name := child(node, s)
		if next == nil {
			return at
		}
		node = next
		if i+1 == len(d.within) {
			name = next // an item begins where it stands
		}
		at = d.source.at(name.Line, name.Column)
	}
	return at
}

// step leads from a value into it: by a key or, where that is empty, by an index.
type step struct {
	key   string
	index int
}

// steps divides a path as field.Path prints it. What is in brackets and no number is
// the key of a map.
func steps(field string) []step {
	var out []step
	for field != "" {
		if rest, ok := strings.CutPrefix(field, "["); ok {
			in, after, _ := strings.Cut(rest, "]")
			if i, err := strconv.Atoi(in); err == nil {
				out = append(out, step{index: i})
			} else {
				out = append(out, step{key: in})
			}
			field = after
			continue
		}
		field = strings.TrimPrefix(field, ".")
		end := strings.IndexAny(field, ".[")
		if end < 0 {
			end = len(field)
		}
		if end > 0 {
			out = append(out, step{key: field[:end]})
		}
		field = field[end:]
	}
	return out
}

// child returns the value behind a step, and the node by which it is found: its key or,
// in a list, itself. Nil if there is none.
func child(node *yamlnode.Node, s step) (value, name *yamlnode.Node) {
	node = resolve(node)
	switch {
	case node == nil:
	case s.key == "" && node.Kind == yamlnode.SequenceNode && s.index >= 0 && s.index < len(node.Content):
		return node.Content[s.index], node.Content[s.index]
	case s.key != "" && node.Kind == yamlnode.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == s.key {
				return node.Content[i+1], node.Content[i]
			}
		}
	}
	return nil, nil
}

// resolve follows an alias. The parser refuses one that contains itself.
func resolve(node *yamlnode.Node) *yamlnode.Node {
	if node != nil && node.Kind == yamlnode.AliasNode {
		return node.Alias
	}
	return node
}
