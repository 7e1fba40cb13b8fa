package query

import (
	"testing"
)

// FuzzCompile: whatever is accepted has, when it is read again, the enforced matchers
// on every selector; and what was accepted once, as it was printed, is accepted again
// and does not change.
func FuzzCompile(f *testing.F) {
	for _, test := range escapes() {
		f.Add("shop", test.expr)
	}
	f.Add(`a"b`, "up")
	settings := confining(f)
	f.Fuzz(func(t *testing.T, namespace, expr string) {
		compiled, problems := settings.Compile(namespace, expr)
		if (len(problems) == 0) == (compiled == Compiled{}) || len(problems) > maxProblems {
			t.Fatalf("%v with %v", compiled, problems)
		}
		if len(problems) > 0 {
			return
		}
		everySelector(t, compiled.PromQL, `namespace="`+namespace+`"`, `cluster="eu"`)
		if len(compiled.PromQL) > settings.MaxLength {
			return
		}
		again, problems := settings.Compile(namespace, compiled.PromQL)
		if len(problems) > 0 || again != compiled {
			t.Errorf("%v, then %v, %v", compiled, again, problems)
		}
	})
}
