package hpa_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

func TestEffectiveMin(t *testing.T) {
	floor := func(owner string, value int32) v1alpha1.Floor { return v1alpha1.Floor{Owner: owner, Value: value} }
	for name, tc := range map[string]struct {
		min, max int32
		floors   []v1alpha1.Floor
		want     int32
		decisive string
	}{
		"no floors":             {2, 6, nil, 2, ""},
		"a floor":               {2, 6, []v1alpha1.Floor{floor("a", 4)}, 4, "a"},
		"the highest":           {2, 6, []v1alpha1.Floor{floor("a", 4), floor("b", 5), floor("c", 3)}, 5, "b"},
		"the first of equals":   {2, 6, []v1alpha1.Floor{floor("a", 4), floor("b", 4)}, 4, "a"},
		"capped":                {2, 6, []v1alpha1.Floor{floor("a", 9), floor("b", 5)}, 6, "a"},
		"below min":             {3, 6, []v1alpha1.Floor{floor("a", 2)}, 3, ""},
		"as min":                {3, 6, []v1alpha1.Floor{floor("a", 3)}, 3, ""},
		"from zero":             {0, 6, []v1alpha1.Floor{floor("a", 1)}, 1, "a"},
		"min is max":            {6, 6, []v1alpha1.Floor{floor("a", 9)}, 6, ""},
		"max lowered below min": {4, 3, []v1alpha1.Floor{floor("a", 9)}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, decisive := hpa.EffectiveMin(tc.min, tc.max, tc.floors)
			owner := ""
			if decisive != nil {
				owner = decisive.Owner
			}
			if got != tc.want || owner != tc.decisive {
				t.Errorf("%d of %q, want %d of %q", got, owner, tc.want, tc.decisive)
			}
		})
	}
}

// scaling returns rules of PERCENT%/SECONDS or PODS/SECONDS.
func scaling(selected autoscalingv2.ScalingPolicySelect, policies ...string) *autoscalingv2.HPAScalingRules {
	r := &autoscalingv2.HPAScalingRules{SelectPolicy: &selected}
	for _, text := range policies {
		p := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy}
		if n, _ := fmt.Sscanf(text, "%d%%/%d", &p.Value, &p.PeriodSeconds); n != 2 {
			p.Type = autoscalingv2.PodsScalingPolicy
			if _, err := fmt.Sscanf(text, "%d/%d", &p.Value, &p.PeriodSeconds); err != nil {
				panic(err)
			}
		}
		r.Policies = append(r.Policies, p)
	}
	return r
}

// Step goes down as the HPA would, to nothing less than 0.
func TestStep(t *testing.T) {
	const most, least, disabled = autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect
	for name, tc := range map[string]struct {
		down  *autoscalingv2.HPAScalingRules
		sizes []int32 // each a step from the one before
		every time.Duration
	}{
		"balanced":              {scaling(most, "25%/30"), []int32{100, 75, 56, 42, 31, 23, 17, 12, 9, 6, 4, 3, 2, 1, 0, 0}, 30 * time.Second},
		"responsive":            {scaling(most, "50%/15"), []int32{12, 6, 3, 1, 0}, 15 * time.Second},
		"steady":                {scaling(most, "10%/60"), []int32{12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, time.Minute},
		"the larger change":     {scaling(most, "10%/60", "2/30"), []int32{100, 90, 81, 72, 64, 57, 51, 45, 40, 36, 32, 28, 25, 22, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1, 0}, time.Minute},
		"the smaller change":    {scaling(least, "10%/60", "2/30"), []int32{30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 9, 8}, time.Minute},
		"the longest period":    {scaling(most, "4/15", "5/90", "3/30"), []int32{9, 4, 0}, 90 * time.Second},
		"one pod":               {scaling(least, "1/300"), []int32{3, 2, 1, 0, 0}, 5 * time.Minute},
		"more pods than an int": {scaling(most, "2147483647/15"), []int32{5, 0}, 15 * time.Second},
		"all of them":           {scaling(most, "100%/15"), []int32{5, 0}, 15 * time.Second},
		"more than all":         {scaling(most, "250%/15"), []int32{5, 0}, 15 * time.Second},
		"not at all":            {scaling(disabled, "50%/15"), []int32{5, 5}, 0},
		"Kubernetes' default":   {nil, []int32{5, 0}, 15 * time.Second},
		"policies left out":     {&autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(least)}, []int32{5, 0}, 15 * time.Second},
		"selection left out":    {&autoscalingv2.HPAScalingRules{Policies: scaling(most, "1/60", "2/60").Policies}, []int32{5, 3, 1, 0}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			got := []int32{tc.sizes[0]}
			for range tc.sizes[1:] {
				next, every := hpa.Step(got[len(got)-1], tc.down)
				if got = append(got, next); every != tc.every {
					t.Errorf("every %s, want %s", every, tc.every)
				}
			}
			if diff := cmp.Diff(tc.sizes, got); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
		})
	}
}

// With every profile a step goes down from any size, by one pod at least and never below 0:
// a release that is made of steps ends.
func TestStepAlwaysGoesDown(t *testing.T) {
	for _, profile := range []v1alpha1.Profile{"", v1alpha1.Steady, v1alpha1.Balanced, v1alpha1.Responsive} {
		down := hpa.Behavior(&v1alpha1.AutoscalingPolicySpec{Profile: profile}, all).ScaleDown
		for size := int32(1); size < 5000; size++ {
			next, every := hpa.Step(size, down)
			if next >= size || next < 0 || every <= 0 {
				t.Fatalf("profile %q: %d → %d every %s", profile, size, next, every)
			}
		}
	}
}
