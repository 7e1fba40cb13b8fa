package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func TestReadPolicy(t *testing.T) {
	const (
		policy = `
metadata: {name: web, uid: the-policy}
spec: {replicas: {min: 2, max: 6}}
`
		status = `
status:
  floors:
  - {owner: schedule/rush, value: 4, since: "2026-11-23T17:42:00Z", expires: "2026-11-23T17:43:00Z"}
  release: {value: 3, lastStep: "2026-11-23T17:42:00Z"}
  conditions:
  - {type: Held, status: "True", reason: Schedule, message: m}
  - {type: Conflict, status: "False", reason: NoConflict, message: nobody}
`
		label = "labels: {loadline.dev/policy: web}"
		owner = `ownerReferences: [{apiVersion: loadline.dev/v1alpha1, kind: AutoscalingPolicy, name: web, uid: the-policy, controller: true}]`
	)
	tests := map[string]struct {
		policy, hpa string
		want        Policy
	}{
		"its own":       {policy, "metadata: {name: web, " + label + ", " + owner + "}", Policy{Made: true, Min: 2}},
		"label removed": {policy, "metadata: {name: web, " + owner + "}", Policy{Made: true, Min: 2}},
		"by hand":       {policy, "metadata: {name: web}", Policy{Min: 2}},
		"only labelled": {policy, "metadata: {name: web, " + label + "}", Policy{Min: 2}},
		"of one deleted before": {policy, "metadata: {name: web, " + label + ", " + strings.Replace(owner, "the-policy", "another", 1) + "}",
			Policy{Min: 2}},
		"a status": {policy + status, "metadata: {name: web}", Policy{
			Min: 2,
			Floors: []Floor{
				{Owner: "schedule/rush", Value: 4, Until: time.Date(2026, 11, 23, 17, 43, 0, 0, time.UTC)},
				{Owner: "release", Value: 3},
			},
			Conditions: []Condition{{"Held", true, "Schedule", "m"}, {"Conflict", false, "NoConflict", "nobody"}},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var p v1alpha1.AutoscalingPolicy
			var h autoscalingv2.HorizontalPodAutoscaler
			if err := yaml.UnmarshalStrict([]byte(test.policy), &p); err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict([]byte(test.hpa), &h); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, ReadPolicy(&p, &h)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMinimum(t *testing.T) {
	until := time.Date(2026, 11, 23, 17, 43, 0, 0, time.UTC)
	tests := map[string]struct {
		min    int32
		floors []Floor
		want   string
	}{
		"no floor":                    {2, nil, "min 2"},
		"a floor that is not yet met": {2, []Floor{{"fallback", 3, until}}, "min 2"},
		"a schedule":                  {4, []Floor{{"schedule/rush", 4, until}}, "min 4: schedule rush until 17:43"},
		"fallback":                    {3, []Floor{{"fallback", 3, until}}, "min 3: fallback"},
		"the highest":                 {4, []Floor{{"fallback", 3, until}, {"schedule/rush", 4, until}}, "min 4: schedule rush until 17:43"},
		"the first of equal ones":     {3, []Floor{{"fallback", 3, until}, {"schedule/rush", 3, until}}, "min 3: fallback"},
		"what is left":                {4, []Floor{{"fallback", 3, until}, {"release", 4, time.Time{}}}, "min 4: stepping down"},
		"an edit of the HPA":          {5, nil, "min 5: nobody says who"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Scaler{Min: test.min, Policy: Policy{Min: 2, Floors: test.floors}}
			if got := s.minimum(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
