//go:build e2e

package policy

import "testing"

// TestP2Side are tests that wait for the HPA controller most of the time and do not
// notice each other: they run side by side.
func TestP2Side(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Targets": targets, "Fallback": fallback, "Adoption": adoption, "NoDrift": noDrift,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
