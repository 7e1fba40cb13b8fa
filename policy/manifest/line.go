package manifest

import (
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
)

// Line returns the line in the file, from 1, of a field such as
// spec.objectives[0].queue.perPod. Of a field that is not written it is that of the
// nearest one around it that is.
func (d Document) Line(field string) int {
	node, line := d.node, d.first
	if node != nil {
		line = d.first + node.Line - 1
	}
	for _, s := range steps(field) {
		next, at := child(node, s)
		if next == nil {
			return line
		}
		node, line = next, d.first+at-1
	}
	return line
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

// child returns the value behind a step and the line on which it begins, the key's
// where it has one; nil if there is none.
func child(node *yamlnode.Node, s step) (*yamlnode.Node, int) {
	node = resolve(node)
	switch {
	case node == nil:
	case s.key == "" && node.Kind == yamlnode.SequenceNode && s.index >= 0 && s.index < len(node.Content):
		return node.Content[s.index], node.Content[s.index].Line
	case s.key != "" && node.Kind == yamlnode.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == s.key {
				return node.Content[i+1], node.Content[i].Line
			}
		}
	}
	return nil, 0
}

func mapValue(node *yamlnode.Node, key string) *yamlnode.Node {
	value, _ := child(node, step{key: key})
	return value
}

// resolve follows an alias. The parser refuses one that contains itself.
func resolve(node *yamlnode.Node) *yamlnode.Node {
	if node != nil && node.Kind == yamlnode.AliasNode {
		return node.Alias
	}
	return node
}
