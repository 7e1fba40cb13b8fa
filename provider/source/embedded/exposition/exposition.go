// Package exposition reads what pods export, in Prometheus' text format and in OpenMetrics',
// just so far as to leave out what nobody wants. What is left is parsed by Prometheus' own
// parsers. They remember each series that they have seen, dropped or not, so what is to be
// dropped is dropped before them.
package exposition

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrUnclear ends an exposition of which most is none.
var ErrUnclear = errors.New("too many of its lines are neither samples nor comments")

// Strip copies an exposition without the samples of series that keep does not want, and without
// help, units and comments. keep is asked for names as they are written; what it is given is
// valid during the call.
//
// A line of which it is unclear what it is, as of something that is no exposition at all, is
// left for the parser to judge, and so are lines behind it that may be a part of it. More than
// unclear of them are an error, as is what src returns but for its end.
func Strip(dst *bytes.Buffer, src *bufio.Reader, keep func(name []byte) bool, unclear int) error {
	s := stripper{dst: dst, keep: keep, unclear: unclear}
	for {
		part, err := src.ReadSlice('\n')
		more := errors.Is(err, bufio.ErrBufferFull)
		if err := s.take(part, more); err != nil {
			return err
		}
		switch {
		case err == nil || more:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// stripper is what is known between two lines, or two parts of a line that is longer than the
// buffer it is read into.
type stripper struct {
	dst     *bytes.Buffer
	keep    func(name []byte) bool
	unclear int // how many more lines may be

	within bool // a line of which a part was taken
	does   fate // to that, and to lines that go on with it
	quote  quotation
	kind   []byte // the newest line with a type, until something is copied, of which it may be that
}

// fate is what happens to a line.
type fate int

const (
	pass fate = iota // it is copied
	drop             // it is a sample, and is not
	skip             // it is a comment, in which quotation marks mean nothing
)

// take takes a line, or a part of one if more of it follows.
func (s *stripper) take(part []byte, more bool) error {
	if len(part) == 0 { // at the end
		return nil
	}
	switch {
	case !s.within && !s.quote.open:
		s.quote = quotation{}
		if err := s.begin(part, more); err != nil {
			return err
		}
	case !s.within: // whatever has a quotation mark may have made it a part of it
		if err := s.doubt(); err != nil {
			return err
		}
		fallthrough
	default:
		if s.does != skip {
			s.quote.read(part)
		}
	}
	s.within = more
	switch {
	case s.does == pass:
		s.dst.Write(s.kind) // to the parser it is the type of all that follows
		s.kind = s.kind[:0]
		s.dst.Write(part)
	case s.does == drop && s.quote.open && !more:
		// What is open may go on in the next line, which then is not what it seems to be.
		return errors.New("a label has a line break in a very long line")
	}
	return nil
}

// begin decides on a line by how it begins.
func (s *stripper) begin(part []byte, more bool) error {
	line := classify(part, more)
	s.does = skip
	switch line.is {
	case nothing:
	case kind:
		s.kind = append(s.kind[:0], part...)
	case end:
		s.does = pass
	case sample, unclear:
		s.quote.read(part)
		s.does = pass
		switch {
		case line.is == sample && s.keep(line.name):
		case line.is == sample && (!s.quote.open || more):
			s.does = drop
		default: // it is unclear, or goes on in the next line
			return s.doubt()
		}
	}
	return nil
}

// doubt counts a line of which it is unclear what it is.
func (s *stripper) doubt() error {
	if s.unclear--; s.unclear < 0 {
		return ErrUnclear
	}
	return nil
}

// quotation follows a text into and out of quotation marks.
type quotation struct{ open, escaped bool }

func (q *quotation) read(text []byte) {
	if !q.escaped && bytes.IndexByte(text, '\\') < 0 {
		if bytes.Count(text, []byte{'"'})%2 == 1 {
			q.open = !q.open
		}
		return
	}
	for _, c := range text {
		switch {
		case q.escaped:
			q.escaped = false
		case c == '"':
			q.open = !q.open
		case c == '\\':
			q.escaped = q.open
		}
	}
}
