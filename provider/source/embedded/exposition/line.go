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
	name []byte // of the series
}

// classify tells what a line is by its beginning; more says that it goes on.
func classify(text []byte, more bool) line {
	first := text[0]
	if blank(first) { // as text may have it before what is none of its samples
		if text = bytes.TrimLeft(text, " \t"); len(text) == 0 || text[0] != '#' && text[0] != '\n' {
			return line{}
		}
		first = text[0]
	}
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
// anything; without a space behind the # there is none.
func classifyComment(text []byte, more bool) line {
	words := bytes.TrimLeft(text[1:], " \t")
	n := bytes.IndexAny(words, " \t\n")
	if n < 0 && more && len(words) <= len("TYPE") && len(words) < len(text)-1 {
		return line{} // of a word that is not all here
	}
	n = max(n, 0)
	word, name := string(words[:n]), bytes.TrimLeft(words[n:], " \t")
	switch {
	case bytes.HasPrefix(words, []byte("EOF")) && !more:
		return line{is: end}
	case len(words) == len(text)-1 || word != "TYPE" && word != "HELP" && word != "UNIT":
	case bytes.HasPrefix(name, []byte(`"`)), len(name) == 0 && more, word == "TYPE" && more:
		return line{}
	case word == "TYPE":
		return line{is: kind}
	}
	return line{is: nothing}
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

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
