package manifest

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// part is the text of one document.
type part struct {
	text []byte
	line int // its first line in the file, from 1
	// column is how many characters of that line are before it.
	column int
}

// split divides a file at its lines "---", and JSON at the end of each object. The text
// of a part begins on its line, so that line n of the text is line+n-1 of the file.
func split(data []byte) []part {
	var parts []part
	start, line, at, column := 0, 1, 1, 0
	flush := func(end int) {
		parts = append(parts, objects(part{text: data[start:end], line: line, column: column})...)
	}
	for offset := 0; offset < len(data); at++ {
		end := len(data)
		if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
			end = offset + i + 1
		}
		if separates(data[offset:end]) {
			flush(offset)
			// What follows on the same line belongs to the new document.
			start, line, column = offset+len(separator), at, len(separator)
		}
		offset = end
	}
	flush(len(data))
	return parts
}

const separator = "---"

func separates(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte(separator))
	return ok && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n"))
}

// objects divides a part that is a row of JSON objects, as kubectl -o json writes it.
func objects(p part) []part {
	if trimmed := bytes.TrimSpace(p.text); len(trimmed) == 0 || trimmed[0] != '{' {
		return []part{p}
	}
	var parts []part
	decoder := json.NewDecoder(bytes.NewReader(p.text))
	for from := int64(0); decoder.More(); from = decoder.InputOffset() {
		var object json.RawMessage
		if decoder.Decode(&object) != nil {
			return []part{p} // YAML that begins with a brace, or nothing: its parser tells
		}
		text := p.text[from:decoder.InputOffset()]
		one := part{text: text, line: p.line + bytes.Count(p.text[:from], []byte("\n"))}
		if before := p.text[bytes.LastIndexByte(p.text[:from], '\n')+1 : from]; len(before) > 0 {
			one.column = utf8.RuneCount(before)
		}
		if one.line == p.line {
			one.column += p.column
		}
		parts = append(parts, one)
	}
	return parts
}
