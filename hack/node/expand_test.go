package node

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	env := lookupIn(map[string]string{"A": "1", "EMPTY": "", "LOOP": "$(A)"})
	for name, test := range map[string]struct{ in, want string }{
		"plain":           {"text", "text"},
		"known":           {"x$(A)y$(A)", "x1y1"},
		"empty value":     {"[$(EMPTY)]", "[]"},
		"unknown stays":   {"$(B)", "$(B)"},
		"escaped":         {"$$(A)", "$(A)"},
		"twice escaped":   {"$$$$(A)", "$$(A)"},
		"escape then ref": {"$$$(A)", "$1"},
		"dollar alone":    {"a$b$", "a$b$"},
		"unterminated":    {"$(A", "$(A"},
		"values stay":     {"$(LOOP)", "$(A)"},
		"shell form":      {"${A}", "${A}"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := expand(test.in, env); got != test.want {
				t.Errorf("expand(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("a$(A)$$(A)$(B)$")
	f.Fuzz(func(t *testing.T, s string) {
		unknown := expand(s, lookupIn(nil))
		if !strings.Contains(s, "$$") && unknown != s {
			t.Errorf("nothing is known, and %q became %q", s, unknown)
		}
		// Every text can be written such that it expands to itself.
		if got := expand(strings.ReplaceAll(s, "$", "$$"), lookupIn(map[string]string{"A": "1"})); got != s {
			t.Errorf("escaped %q became %q", s, got)
		}
	})
}
