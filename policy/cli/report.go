package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/loadline/loadline/policy/hpa"
)

// finding is a problem and its place.
type finding struct {
	// file is empty if it is in none.
	file string
	line int
	// policy is its name; empty where the file has none.
	policy  string
	problem hpa.Problem
}

// String is one line, beginning with FILE:LINE: as editors understand it.
func (f finding) String() string {
	text := strings.ToLower(string(f.problem.Level)) + ": "
	if f.file != "" {
		text = fmt.Sprintf("%s:%d: %s", f.file, f.line, text)
	}
	if f.policy != "" && !f.aboutFlag() {
		text += oneLine(f.policy) + ": " // of a file it is whatever somebody wrote
	}
	return text + oneLine(f.problem.Error())
}

// aboutFlag says whether the command was called wrongly.
func (f finding) aboutFlag() bool {
	return f.problem.Level == hpa.Error && strings.HasPrefix(f.problem.Field, "--")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// report prints findings in the order of files and lines.
func report(to io.Writer, all []finding, files []string) {
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Or(cmp.Compare(slices.Index(files, a.file), slices.Index(files, b.file)), cmp.Compare(a.line, b.line))
	})
	for _, f := range all {
		fmt.Fprintln(to, f)
	}
}

func failed(all []finding) bool {
	return slices.ContainsFunc(all, func(f finding) bool { return f.problem.Level == hpa.Error })
}
