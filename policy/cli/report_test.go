package cli

import (
	"testing"

	"github.com/loadline/loadline/policy/hpa"
)

// A finding is one line, whatever a file calls its object.
func TestFindingIsOneLine(t *testing.T) {
	f := finding{file: "f.yaml", line: 3, policy: "web\nf.yaml:9: error: x", problem: hpa.Problem{Level: hpa.Error, Field: "metadata.name", Message: "it is no name"}}
	if got, want := f.String(), "f.yaml:3: error: web f.yaml:9: error: x: metadata.name: it is no name"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
