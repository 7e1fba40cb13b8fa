package convert_test

import (
	"fmt"

	"github.com/loadline/loadline/policy/hpa"
)

// all is a cluster that can do everything.
var all = hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true}

// lines writes problems down, one a line.
func lines(problems []hpa.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s %s", p.Level, p.Error()))
	}
	return out
}
