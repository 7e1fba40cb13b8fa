package exposition

import "bytes"

// is says what a line is.
type is int

const (
	unclear is = iota
	nothing    // that a series needs
	kind       // the type of a family
	sample
	end // of an exposition in OpenMetrics
)

// line is what the beginning of a line says.
type line struct {
	is   is
	name []byte // of the family or the series
}

// classify tells what a line is by its beginning; more says that it goes on.
func classify(text []byte, more bool) line {
	first := text[0]
	switch {
	case first == '#':
		return classifyComment(text, more)
	case first == '\n':
		return line{is: nothing}
	case first == '{':
		return classifyQuoted(text)
	case !ofName[first] || '0' <= first && first <= '9':
		return line{}
	}
	n := 1
	for n < len(text) && ofName[text[n]] {
		n++
	}
	if n == len(text) && more {
		return line{}
	}
	return line{sample, text[:n]}
}

// ofName says which bytes a name can have.
var ofName = func() (of [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:" {
		of[c] = true
	}
	return of
}()

// classifyComment tells what a line is that starts with #. A quoted name in one may contain
// anything.
func classifyComment(text []byte, more bool) line {
	words := bytes.TrimLeft(text[1:], " \t")
	n := max(bytes.IndexAny(words, " \t\n"), 0)
	word, name := words[:n], bytes.TrimLeft(words[n:], " \t")
	switch {
	case bytes.HasPrefix(words, []byte("EOF")):
		return line{is: end}
	case bytes.HasPrefix(name, []byte(`"`)):
		return line{}
	case string(word) == "TYPE" && !more:
		return line{kind, name[:max(bytes.IndexAny(name, " \t\n"), 0)]}
	}
	return line{is: nothing}
}

// classifyQuoted finds the name in {"name"…}, where it is first and has no escapes.
func classifyQuoted(text []byte) line {
	quoted := bytes.TrimLeft(text[1:], " \t")
	if len(quoted) == 0 || quoted[0] != '"' {
		return line{}
	}
	n := bytes.IndexAny(quoted[1:], "\"\\\n")
	if n < 0 || quoted[1+n] != '"' {
		return line{}
	}
	after := bytes.TrimLeft(quoted[n+2:], " \t")
	if len(after) == 0 || after[0] != ',' && after[0] != '}' {
		return line{} // of a label
	}
	return line{sample, quoted[1 : 1+n]}
}
