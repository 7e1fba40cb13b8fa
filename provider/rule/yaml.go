package rule

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxRead bounds what aliases can blow a file up to: every scalar counts each
	// time it is read.
	maxRead = 4 * MaxBytes
	// maxMergeDepth bounds chains of merge keys, which may refer to themselves.
	maxMergeDepth = 8
)

// reader walks YAML nodes strictly. It is used in place of decoding into structs
// because only a walk knows the path of the rule a mistake is in.
type reader struct {
	*problems
	read int
}

// text is a scalar and where it stands.
type text struct {
	value string
	line  int
}

// resolve follows an alias; an absent or null node is nil.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// affordable counts what is read and says, once, when it is too much.
func (r *reader) affordable(path string, n *yaml.Node) bool {
	before := r.read
	r.read += len(n.Value) + 16
	if before <= maxRead && r.read > maxRead {
		r.add(path, n.Line, "the file's aliases expand to more than %d bytes: write fewer", maxRead)
	}
	return r.read <= maxRead
}

// mapping returns the values of a mapping by key. Unknown and duplicate keys are
// problems; with no known keys given, every key is known. order holds the keys in
// the order of the file.
func (r *reader) mapping(path string, n *yaml.Node, known ...string) (values map[string]*yaml.Node, order []*yaml.Node) {
	values = map[string]*yaml.Node{}
	if n = r.resolve(n); n == nil {
		return values, nil
	}
	if n.Kind != yaml.MappingNode {
		r.add(path, n.Line, "must be a mapping, not a %s", kindName(n))
		return values, nil
	}
	return values, r.fill(path, n, known, values, 0)
}

func (r *reader) fill(path string, n *yaml.Node, known []string, values map[string]*yaml.Node, depth int) (order []*yaml.Node) {
	var merges []*yaml.Node
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !r.affordable(path, key) {
			return order
		}
		switch {
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
		case key.Kind != yaml.ScalarNode:
			r.add(path, key.Line, "a key must be a word, not a %s", kindName(key))
		case len(known) > 0 && !slices.Contains(known, key.Value):
			r.add(path, key.Line, "unknown key %q%s", clip(key.Value), suggestion(key.Value, known))
		case own[key.Value]:
			r.add(path, key.Line, "duplicate key %q: keep one", clip(key.Value))
		default:
			own[key.Value] = true
			if _, there := values[key.Value]; !there { // a key set by hand wins over a merged one
				values[key.Value] = value
				order = append(order, key)
			}
		}
	}
	for _, merge := range merges {
		order = append(order, r.merge(path, merge, known, values, depth+1)...)
	}
	return order
}

func (r *reader) merge(path string, n *yaml.Node, known []string, values map[string]*yaml.Node, depth int) (order []*yaml.Node) {
	line := n.Line
	switch n = r.resolve(n); {
	case n == nil:
	case depth > maxMergeDepth:
		r.add(path, line, "merge keys nest more than %d deep", maxMergeDepth)
	case n.Kind == yaml.MappingNode:
		return r.fill(path, n, known, values, depth)
	case n.Kind == yaml.SequenceNode:
		for _, element := range n.Content {
			order = append(order, r.merge(path, element, known, values, depth+1)...)
		}
	default:
		r.add(path, line, "a merge key takes a mapping, not a %s", kindName(n))
	}
	return order
}

// list returns the elements of a sequence.
func (r *reader) list(path string, n *yaml.Node) []*yaml.Node {
	if n = r.resolve(n); n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.add(path, n.Line, "must be a list, not a %s", kindName(n))
		return nil
	}
	return n.Content
}

// text returns a scalar as written: 5 and "5" are the same name.
func (r *reader) text(path string, n *yaml.Node) text {
	if n = r.resolve(n); n == nil {
		return text{}
	}
	if n.Kind != yaml.ScalarNode {
		r.add(path, n.Line, "must be a text, not a %s", kindName(n))
		return text{line: n.Line}
	}
	if !r.affordable(path, n) {
		return text{line: n.Line}
	}
	return text{value: n.Value, line: n.Line}
}

// boolean returns nil for an absent value.
func (r *reader) boolean(path string, n *yaml.Node) *bool {
	if n = r.resolve(n); n == nil {
		return nil
	}
	var value bool
	if n.Kind != yaml.ScalarNode || n.Decode(&value) != nil {
		r.add(path, n.Line, "must be true or false")
		return nil
	}
	return &value
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	case yaml.ScalarNode:
		return "text"
	default:
		return "reference"
	}
}

func suggestion(key string, known []string) string {
	for _, candidate := range known {
		if strings.EqualFold(key, candidate) {
			return ": write " + candidate
		}
	}
	return ": known here are " + strings.Join(known, ", ")
}

// clip shortens what a file or a query said to what an error message can hold.
func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
