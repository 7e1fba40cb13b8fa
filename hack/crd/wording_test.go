package crd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The same refusals by an API server of 1.37.2 and one of 1.34.4, as they were read.
func TestWording(t *testing.T) {
	for name, tt := range map[string]struct{ now, then []string }{
		"a rule about an object": {
			now:  []string{"spec.replicas.min: Invalid value: min 7 is above max 6"},
			then: []string{`spec.replicas.min: Invalid value: "object": min 7 is above max 6`},
		},
		"about a string": {
			now:  []string{`spec.targetRef.name: Invalid value: "shop/web": cannot stand in a URL`},
			then: []string{`spec.targetRef.name: Invalid value: "string": cannot stand in a URL`},
		},
		"about a number or a string": {
			now:  []string{`spec.objectives[0].queue.perPod: Invalid value: -5: is no target`},
			then: []string{`spec.objectives[0].queue.perPod: Invalid value: "": is no target`},
		},
		"a number with a fraction": {
			now: []string{
				`a: Invalid value: "number": a in body must be of type integer: "number"`,
				`<nil>: Invalid value: "": Checked value must be of type integer (default format) in a`,
			},
			then: []string{`a: Invalid value: "number": a in body must be of type integer: "number"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(Wording(34, tt.now), Wording(34, tt.then)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.now, Wording(37, tt.now)); diff != "" {
				t.Errorf("on 1.37: %s", diff)
			}
		})
	}
	// What is ours, and what is refused by another name, still differs.
	for _, other := range []string{
		"spec.replicas.min: Invalid value: min 8 is above max 6", "spec.replicas.max: Invalid value: min 7 is above max 6",
		"spec.replicas.min: Required value: min 7 is above max 6",
	} {
		if cmp.Equal(Wording(34, []string{"spec.replicas.min: Invalid value: min 7 is above max 6"}), Wording(34, []string{other})) {
			t.Errorf("taken for the same: %s", other)
		}
	}
}
