package migrate

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// mark begins each line of ours.
const mark = "# loadline: "

// Annotated is the file that was given with what is said of each rule in comments above it.
// Comments of an earlier call are replaced; all else stays as it is, to the letter, and of a
// ConfigMap all but the configuration does. Of a ConfigMap whose configuration is no block of
// text, or one that others share, it is the configuration alone.
func (c *Config) Annotated() string {
	s := c.source
	bare := s.lines.withoutOurs()
	begin := linesOf(bare.String())
	var all []string
	above := map[int][]string{}
	for _, r := range c.Rules {
		comments := r.comments()
		all = append(all, comments...)
		// A rule without a line of its own, one of a merge key, is spoken of at the beginning.
		at := max(begin[r.ID], 1)
		above[at] = append(above[at], comments...)
	}
	// Where a line of ours would be a part of a text, all of it stands at the beginning.
	for _, above := range []map[int][]string{above, {1: all}} {
		if out := bare.with(above, s.indent); same(bare.String(), out.String()) {
			return s.before + out.file() + s.after
		}
	}
	return s.before + bare.file() + s.after
}

// comments are the lines about a rule, without mark and indentation.
func (r Rule) comments() []string {
	lines := []string{fmt.Sprintf("%s serves %s (%s)", r.ID, r.Serves, r.API)}
	var shared []string
	for _, read := range r.Reads {
		if read.Shared {
			shared = append(shared, read.Objects)
		}
	}
	if len(shared) > 0 {
		lines = append(lines, reads(strings.Join(shared, ", "))+" share one query")
	}
	for _, read := range r.Reads {
		switch {
		case read.Shared:
		case read.PromQL == "":
			lines = append(lines, reads(read.Objects)+" have no query: "+read.Alone)
		default:
			lines = append(lines, reads(read.Objects)+" are a query each: "+read.Alone)
		}
	}
	for _, d := range r.Differences {
		lines = append(lines, "differs from prometheus-adapter: "+d.Text)
	}
	for i, l := range lines {
		lines[i] = oneLine(l)
	}
	return lines
}

// reads names those of some kinds of objects, or of an external metric.
func reads(objects string) string {
	if objects == "" {
		return "its reads"
	}
	return "reads of " + objects
}

// oneLine is a text as a comment may have it: without what YAML refuses, or moves a cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

// source is a configuration, and the file that it was found in.
type source struct {
	// text is the configuration, and lines are those of it.
	text  string
	lines lines
	// before and after are what the file has around them; indent is how far in it has them.
	before, after string
	indent        string
	// offset is how many lines of the file are before the first.
	offset int
}

// line is that of the file for one of the configuration.
func (s *source) line(of int) int { return s.offset + of }

// find returns the configuration in a file: the file, or what is in a ConfigMap.
func find(data []byte) (*source, error) {
	plain := &source{text: string(data), lines: linesOfFile(string(data))}
	var document yaml.Node
	if yaml.Unmarshal(data, &document) != nil || len(document.Content) != 1 {
		return plain, nil // whoever compiles it says what is wrong
	}
	root := document.Content[0]
	kind := child(root, "kind")
	if kind == nil || kind.Kind != yaml.ScalarNode || child(root, "apiVersion") == nil && kind.Value != "ConfigMap" {
		return plain, nil
	}
	if kind.Value != "ConfigMap" {
		return nil, fmt.Errorf("it is a %s: give the configuration, or the manifest of the ConfigMap that has it, by itself", oneLine(kind.Value))
	}
	content := child(root, "data")
	if content == nil || content.Kind != yaml.MappingNode || len(content.Content) == 0 {
		return nil, fmt.Errorf("the ConfigMap has no data")
	}
	key, value := "config.yaml", child(content, "config.yaml")
	if value == nil {
		var keys []string
		for i := 0; i+1 < len(content.Content); i += 2 {
			keys = append(keys, content.Content[i].Value)
		}
		if len(keys) != 1 {
			return nil, fmt.Errorf("the ConfigMap has no config.yaml among its keys %s: give that one's text by itself", strings.Join(keys, ", "))
		}
		key, value = keys[0], resolved(content.Content[1])
	}
	if value.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("the ConfigMap's %s is no text", key)
	}
	// What has a name others may have, too: of theirs nothing is changed.
	if value.Style&yaml.LiteralStyle != 0 && value.Anchor == "" {
		if s := inBlock(string(data), value); s != nil {
			return s, nil
		}
	}
	return &source{text: value.Value, lines: linesOfFile(value.Value)}, nil
}

// inBlock is the configuration in a block of text of a file; nil if its lines are not those of
// the file but for some spaces in front, as they are below a header of its own line.
func inBlock(file string, block *yaml.Node) *source {
	all, text := split(file), split(block.Value)
	end := block.Line + len(text)
	if end > len(all) {
		return nil
	}
	s := &source{text: block.Value, before: strings.Join(all[:block.Line], ""), after: strings.Join(all[end:], ""), offset: block.Line}
	for i, own := range text {
		there := all[block.Line+i]
		s.lines = append(s.lines, line{own, there})
		if strings.Trim(body(own), " ") == "" && strings.Trim(body(there), " ") == "" {
			continue
		}
		indent, ok := strings.CutSuffix(body(there), body(own))
		if !ok || indent == "" || strings.Trim(indent, " ") != "" || s.indent != "" && indent != s.indent {
			return nil
		}
		s.indent = indent
	}
	return s
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

func resolved(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// linesOf are the lines of the configuration, from 1, on which its rules begin, by their IDs.
func linesOf(text string) map[string]int {
	lines := map[string]int{}
	var document yaml.Node
	if yaml.Unmarshal([]byte(text), &document) != nil || len(document.Content) != 1 {
		return lines
	}
	root := document.Content[0]
	for _, section := range []string{"rules", "externalRules"} {
		if list := child(root, section); list != nil && list.Kind == yaml.SequenceNode {
			for i, item := range list.Content {
				lines[fmt.Sprintf("%s[%d]", section, i)] = item.Line
			}
		}
	}
	for _, resource := range []string{"cpu", "memory"} {
		of := child(child(root, "resourceRules"), resource)
		for i := 0; of != nil && of.Kind == yaml.MappingNode && i+1 < len(of.Content); i += 2 {
			lines[fmt.Sprintf("resourceRules.%s.%s", resource, of.Content[i].Value)] = of.Content[i].Line
		}
	}
	return lines
}

// Failed says whether the file cannot be used.
func (c *Config) Failed() bool { return len(c.Errors) > 0 }

// Alone counts the rules of which some reads are a query each.
func (c *Config) Alone() (n int) {
	for _, r := range c.Rules {
		if slices.ContainsFunc(r.Reads, func(read Read) bool { return !read.Shared }) {
			n++
		}
	}
	return n
}
