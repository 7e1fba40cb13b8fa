package migrate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mark begins each line of ours.
const mark = "# loadline: "

// Annotated is the file that was given with what is said of each rule in comments above it.
// Comments of an earlier call are replaced; all else stays as it is, to the letter. Of a
// ConfigMap whose configuration is no block of text it is the configuration alone.
func (c *Config) Annotated() string {
	above := map[int][]string{}
	for _, r := range c.Rules {
		above[r.Line] = append(above[r.Line], r.comments()...)
	}
	out := c.source.with(above)
	if c.source.same(out) {
		return out
	}
	// A line of ours would be a part of a text: all of it stands at the beginning, then.
	var all []string
	for _, r := range c.Rules {
		all = append(all, r.comments()...)
	}
	return c.source.beginning(all)
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

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// source is a configuration, and the file that it was found in.
type source struct {
	file string
	// text is the configuration.
	text string
	// before is how many lines of file are before its first.
	before int
	// inside: file is a manifest, and text the block of one of its keys.
	inside bool
	key    string
}

// line is that of the file for one of the configuration.
func (s *source) line(of int) int { return s.before + of }

// find returns the configuration in a file: the file, or what is in a ConfigMap.
func find(data []byte) (*source, error) {
	plain := &source{file: string(data), text: string(data)}
	var document yaml.Node
	if yaml.Unmarshal(data, &document) != nil || len(document.Content) != 1 {
		return plain, nil // whoever compiles it says what is wrong
	}
	root := document.Content[0]
	if kind := child(root, "kind"); kind == nil || kind.Value != "ConfigMap" {
		return plain, nil
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
		key, value = keys[0], content.Content[1]
	}
	if value.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("the ConfigMap's %s is no text", key)
	}
	if value.Style&yaml.LiteralStyle == 0 {
		return &source{file: value.Value, text: value.Value}, nil
	}
	return &source{file: string(data), text: value.Value, before: value.Line, inside: true, key: key}, nil
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

// with is the file with lines above others, each as far in as the line below it, and without
// those of an earlier call.
func (s *source) with(above map[int][]string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(s.file) {
		n++
		trimmed := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(trimmed)]
		for _, comment := range above[n] {
			b.WriteString(indent + mark + comment + "\n")
		}
		if n > s.before && strings.HasPrefix(trimmed, mark) {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// beginning is the file with lines at the beginning of the configuration.
func (s *source) beginning(comments []string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(s.file) {
		if n++; n == s.before+1 {
			indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
			for _, comment := range comments {
				b.WriteString(indent + mark + comment + "\n")
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// same says whether a file has the same configuration, comments apart.
func (s *source) same(out string) bool {
	again, err := find([]byte(out))
	if err != nil || again.inside != s.inside || again.key != s.key {
		return false
	}
	var before, after any
	return yaml.Unmarshal([]byte(s.text), &before) == nil && yaml.Unmarshal([]byte(again.text), &after) == nil && reflect.DeepEqual(before, after)
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
