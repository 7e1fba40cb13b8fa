package migrate

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// line is one of a configuration: as YAML reads it, and as the file has it. They differ in a
// ConfigMap, where it is further in.
type line struct{ own, inFile string }

// lines are those of a configuration, each with its end.
type lines []line

// linesOfFile are those of a file that is a configuration.
func linesOfFile(text string) (all lines) {
	for _, l := range split(text) {
		all = append(all, line{l, l})
	}
	return all
}

func (all lines) String() string {
	var b strings.Builder
	for _, l := range all {
		b.WriteString(l.own)
	}
	return b.String()
}

func (all lines) file() string {
	var b strings.Builder
	for _, l := range all {
		b.WriteString(l.inFile)
	}
	return b.String()
}

// with adds comments above lines, which count from 1, each as far in as the line below it. indent
// is how much further in the file has them.
func (all lines) with(above map[int][]string, indent string) (out lines) {
	end := "\n"
	if len(all) > 0 {
		if first := all[0].inFile; len(body(first)) < len(first) {
			end = first[len(body(first)):]
		}
	}
	for i, l := range all {
		spaces := l.own[:len(l.own)-len(strings.TrimLeft(l.own, " "))]
		for _, comment := range above[i+1] {
			own := spaces + mark + comment + end
			out = append(out, line{own, indent + own})
		}
		out = append(out, l)
	}
	return out
}

// withoutOurs are the lines without the comments of an earlier call. What a text has in itself is
// no comment, whatever it begins with; nor is the last line, for ours are above others, and without
// it a block of text may end in another way.
func (all lines) withoutOurs() lines {
	var marked []int
	for i, l := range all {
		if i+1 < len(all) && strings.HasPrefix(strings.TrimLeft(l.own, " "), mark) {
			marked = append(marked, i)
		}
	}
	kept := slices.Clone(all)
	kept.drop(marked)
	return slices.DeleteFunc(kept, func(l line) bool { return l == line{} })
}

// drop empties those of some lines that are comments: without them the configuration is the same,
// which it never is without a line of a text. So several are tried at once.
func (all lines) drop(marked []int) {
	if len(marked) == 0 {
		return
	}
	without := slices.Clone(all)
	for _, i := range marked {
		without[i] = line{}
	}
	if same(all.String(), without.String()) {
		copy(all, without)
		return
	}
	if half := len(marked) / 2; half > 0 {
		all.drop(marked[:half])
		all.drop(marked[half:])
	}
}

// split returns the lines of a text, each with its end, as YAML counts them.
func split(text string) (all []string) {
	for text != "" {
		n := len(text)
		if i := strings.IndexAny(text, "\r\n\u0085\u2028\u2029"); i >= 0 {
			switch {
			case strings.HasPrefix(text[i:], "\r\n"):
				n = i + 2
			case text[i] == '\r' || text[i] == '\n':
				n = i + 1
			default:
				_, size := utf8.DecodeRuneInString(text[i:])
				n = i + size
			}
		}
		all, text = append(all, text[:n]), text[n:]
	}
	return all
}

// body is a line without its end.
func body(line string) string { return strings.TrimRight(line, "\r\n\u0085\u2028\u2029") }

// same says whether two texts are the same YAML, comments and style apart.
func same(a, b string) bool {
	one, ok := documents(a)
	other, too := documents(b)
	return ok && too && slices.EqualFunc(one, other, equal)
}

func documents(text string) (all []*yaml.Node, ok bool) {
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var n yaml.Node
		switch err := d.Decode(&n); err {
		case nil:
			all = append(all, &n)
		case io.EOF:
			return all, true
		default:
			return nil, false
		}
	}
}

// equal compares what nodes say. An alias names what it stands for, so that none is followed.
func equal(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor && slices.EqualFunc(a.Content, b.Content, equal)
}
