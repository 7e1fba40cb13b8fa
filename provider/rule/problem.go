package rule

import (
	"errors"
	"fmt"
	"slices"
)

// maxProblems bounds what one file can print; a file with more is wrong as a whole.
const maxProblems = 100

// Problem is one mistake in a configuration file.
type Problem struct {
	// Path is the field, such as rules[3].name.matches; empty for the whole file.
	Path string
	// Line is the line in the file, from 1; 0 where there is none.
	Line int
	// Text says what is wrong and what to do about it.
	Text string
}

func (p *Problem) Error() string {
	text := p.Text
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text += fmt.Sprintf(" (line %d)", p.Line)
	}
	return text
}

// problems collects every mistake of a file, so that a user mends them in one go.
type problems struct {
	list    []*Problem
	dropped int
}

func (p *problems) add(path string, line int, format string, args ...any) {
	if len(p.list) >= maxProblems {
		p.dropped++
		return
	}
	p.list = append(p.list, &Problem{Path: path, Line: line, Text: fmt.Sprintf(format, args...)})
}

// count is how many there are.
func (p *problems) count() int { return len(p.list) + p.dropped }

// err joins the problems in the order of the file; nil if there are none.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b *Problem) int { return a.Line - b.Line })
	errs := make([]error, 0, len(p.list)+1)
	for _, one := range p.list {
		errs = append(errs, one)
	}
	if p.dropped > 0 {
		errs = append(errs, fmt.Errorf("and %d more problems", p.dropped))
	}
	return errors.Join(errs...)
}
