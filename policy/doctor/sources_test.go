package doctor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/policy/doctor"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

func TestSources(t *testing.T) {
	away := &diagnostics.Problem{Reason: "source-failed", Message: "connection refused"}
	absent := &diagnostics.Problem{Reason: "absent", Message: "no series"}
	good := diagnostics.Read{Values: make([]diagnostics.Value, 1)}
	of := func(source string, reads ...diagnostics.Read) diagnostics.Metric {
		return diagnostics.Metric{Rule: &diagnostics.Rule{Source: source}, Reads: reads}
	}
	undiscovered := of("default")
	undiscovered.Rule.Discovery = away
	for name, tc := range map[string]struct {
		metrics []diagnostics.Metric
		want    []doctor.Source
	}{
		"nothing is wanted":           {nil, nil},
		"nobody serves it":            {[]diagnostics.Metric{{}}, nil},
		"it answers":                  {[]diagnostics.Metric{of("default", good)}, []doctor.Source{{Name: "default"}}},
		"absence says nothing":        {[]diagnostics.Metric{of("default", diagnostics.Read{Problem: absent})}, nil},
		"it is away":                  {[]diagnostics.Metric{of("default", diagnostics.Read{Problem: away})}, []doctor.Source{{Name: "default", Down: "connection refused"}}},
		"the last values still serve": {[]diagnostics.Metric{of("default", diagnostics.Read{Values: good.Values, Failing: away})}, []doctor.Source{{Name: "default", Down: "connection refused"}}},
		"discovery alone fails":       {[]diagnostics.Metric{undiscovered}, []doctor.Source{{Name: "default", Down: "connection refused"}}},
		"one query of several fails":  {[]diagnostics.Metric{of("default", diagnostics.Read{Problem: away}), of("default", good)}, []doctor.Source{{Name: "default"}}},
		"each for itself": {
			[]diagnostics.Metric{of("mimir", diagnostics.Read{Problem: away}), of("default", good)},
			[]doctor.Source{{Name: "default"}, {Name: "mimir", Down: "connection refused"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, doctor.Sources(tc.metrics)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
