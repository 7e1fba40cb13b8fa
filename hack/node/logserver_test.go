package node

import (
	"strings"
	"testing"
)

func TestLastLines(t *testing.T) {
	for name, test := range map[string]struct {
		in    string
		count int
		want  string
	}{
		"fewer":          {"a\nb\n", 5, "a\nb\n"},
		"some":           {"a\nb\nc\n", 2, "b\nc\n"},
		"unfinished one": {"a\nb\nc", 2, "b\nc"},
		"none":           {"a\n", 0, ""},
		"empty":          {"", 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lastLines(strings.NewReader(test.in), test.count)
			if err != nil || string(got) != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}
