package hpa_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Whatever a policy says, there is an HPA or an Error; the HPA has the bounds and as many
// metrics as the policy has objectives, and the policy is as it was.
func FuzzBuild(f *testing.F) {
	for _, spec := range []string{
		`{}`, `{"objectives":[{}],"behavior":{}}`, `{"replicas":{"min":-1,"max":2147483647},"objectives":[{"custom":{"value":"1"}}]}`,
	} {
		f.Add([]byte(spec), true)
	}
	text, err := json.Marshal(policy().Spec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, false)
	if text, err = json.Marshal(rich(f).Spec); err != nil {
		f.Fatal(err)
	}
	f.Add(text, true)
	f.Fuzz(func(t *testing.T, text []byte, can bool) {
		p, same := policy(), policy()
		for _, to := range []*v1alpha1.AutoscalingPolicy{p, same} {
			to.Spec = v1alpha1.AutoscalingPolicySpec{}
			if hpa.CheckQuantities(text) != nil || json.Unmarshal(text, &to.Spec) != nil {
				return
			}
		}
		floors := []v1alpha1.Floor{{Owner: "fallback", Value: 7}}
		h, problems := hpa.Build(p, floors, hpa.Capabilities{ScaleToZero: can, Tolerance: can, ContainerResource: can})
		if (h == nil) != hpa.Failed(problems) {
			t.Fatalf("an HPA: %v, problems: %q", h != nil, lines(problems))
		}
		if !reflect.DeepEqual(p, same) {
			t.Errorf("the policy has changed:\n%s", cmp.Diff(same, p))
		}
		for _, problem := range problems {
			if problem.Field == "" || problem.Message == "" {
				t.Errorf("a problem that says nothing: %+v", problem)
			}
		}
		if h == nil {
			return
		}
		r := p.Spec.Replicas
		if h.Spec.MaxReplicas != r.Max || *h.Spec.MinReplicas < min(r.Max, 7) || *h.Spec.MinReplicas > r.Max || len(h.Spec.Metrics) != len(p.Spec.Objectives) {
			t.Errorf("%+v of %+v", h.Spec, p.Spec)
		}
		if b := h.Spec.Behavior; b.ScaleUp.StabilizationWindowSeconds == nil || b.ScaleDown.StabilizationWindowSeconds == nil ||
			b.ScaleUp.SelectPolicy == nil || b.ScaleDown.SelectPolicy == nil || len(b.ScaleUp.Policies)*len(b.ScaleDown.Policies) == 0 {
			t.Errorf("a behavior with gaps: %+v", b)
		}
		if ours, foreign := hpa.Differences(h, h); len(ours)+len(foreign) > 0 {
			t.Errorf("it differs from itself: %q %q", ours, foreign)
		}
	})
}

// A saved behavior is read to something that is written the same, or refused.
func FuzzRestoreBehavior(f *testing.F) {
	for _, text := range []string{"", "null", "{}", "{", `{"scaleDown":{"selectPolicy":"Min","policies":[{"type":"Pods","value":2,"periodSeconds":30}]}}`, `{"scaleUp":{"tolerance":"1e99999999"}}`, `{}{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := hpa.RestoreBehavior(text)
		if err != nil {
			return
		}
		saved, err := hpa.SaveBehavior(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := hpa.RestoreBehavior(saved)
		if err != nil {
			t.Fatalf("%s: %v", saved, err)
		}
		if twice, err := hpa.SaveBehavior(again); err != nil || twice != saved {
			t.Fatalf("%s: %s, %v", saved, twice, err)
		}
	})
}
