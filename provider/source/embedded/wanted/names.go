package wanted

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// anyName is the expression of all names.
const anyName = ".*"

// names are those that match a pattern. Nil has none. It is safe for concurrent use.
type names struct {
	all      bool
	pattern  string          // of whole names; it tells names apart
	literal  map[string]bool // most are: what is looked up need not be tried
	rest     []string        // of pattern
	once     sync.Once
	compiled *regexp.Regexp // of rest; nil if that cannot be
}

func everyName() *names { return &names{all: true, pattern: anyName} }

// namesLike are those that have one of the patterns; all names if these are too many.
func namesLike(patterns []string) *names {
	patterns = slices.Compact(slices.Sorted(slices.Values(patterns)))
	if slices.Contains(patterns, anyName) || slices.Contains(patterns, ".+") {
		return everyName()
	}
	n := &names{literal: map[string]bool{}}
	for i, p := range patterns {
		if name, ok := unquote(p); ok { // a name needs no group
			n.literal[name] = true
			continue
		}
		patterns[i] = "(?:" + p + ")"
		n.rest = append(n.rest, patterns[i])
	}
	n.pattern = strings.Join(patterns, "|")
	if len(n.pattern) > maxPattern {
		return everyName()
	}
	return n
}

// unquote is the one name that a pattern matches, if it is a name with its special characters
// escaped.
func unquote(pattern string) (name string, ok bool) {
	name = strings.ReplaceAll(pattern, `\`, "")
	return name, regexp.QuoteMeta(name) == pattern
}

// regexp is that of what is not literal, compiled when it is needed: a namespace may have no
// pods. It is nil if there is too much of it.
func (n *names) regexp() *regexp.Regexp {
	n.once.Do(func() { n.compiled, _ = compile(strings.Join(n.rest, "|")) })
	return n.compiled
}

// compile compiles an expression of whole names.
func compile(pattern string) (*regexp.Regexp, error) { return regexp.Compile("^(?s:" + pattern + ")$") }

// keep says whether a name is one of them. It may say so of more.
func (n *names) keep(name string) bool {
	switch {
	case n == nil:
		return false
	case n.all || n.literal[name]:
		return true
	case len(n.rest) == 0:
		return false
	}
	compiled := n.regexp()
	return compiled == nil || compiled.MatchString(name)
}

// everyName says whether all names are.
func (n *names) everyName() bool { return n != nil && n.all }

func (n *names) text() string {
	if n == nil {
		return ""
	}
	return n.pattern
}
