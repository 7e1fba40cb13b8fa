package hpa_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/hpa"
)

// A frozen HPA differs from the live one in both selectPolicies and nowhere else.
func TestFreeze(t *testing.T) {
	h, _ := hpa.Build(policy(), nil, all)
	h.ResourceVersion, h.Status.CurrentReplicas = "7", 4
	h.Spec.Behavior.ScaleUp.Tolerance = ptr.To(resource.MustParse("0.05"))
	frozen := hpa.Freeze(h)
	ours, foreign := hpa.Differences(h, frozen)
	if diff := cmp.Diff([]string{"spec.behavior.scaleDown.selectPolicy", "spec.behavior.scaleUp.selectPolicy"}, append(ours, foreign...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, r := range []*autoscalingv2.HPAScalingRules{frozen.Spec.Behavior.ScaleUp, frozen.Spec.Behavior.ScaleDown} {
		if *r.SelectPolicy != autoscalingv2.DisabledPolicySelect {
			t.Errorf("selectPolicy %s", *r.SelectPolicy)
		}
	}
	if frozen.ResourceVersion != "7" || frozen.Status.CurrentReplicas != 4 {
		t.Errorf("%+v", frozen)
	}
	if diff := cmp.Diff(frozen, hpa.Freeze(frozen)); diff != "" {
		t.Errorf("frozen twice (-once +twice):\n%s", diff)
	}
}

// An HPA without behavior, such as one that was adopted, is frozen as well, and what
// the controller did by default is then written out.
func TestFreezeWithoutBehavior(t *testing.T) {
	h, _ := hpa.Build(policy(), nil, all)
	h.Spec.Behavior = nil
	b := hpa.Freeze(h).Spec.Behavior
	if b == nil || *b.ScaleUp.SelectPolicy != autoscalingv2.DisabledPolicySelect || *b.ScaleDown.SelectPolicy != autoscalingv2.DisabledPolicySelect {
		t.Fatalf("%+v", b)
	}
	if *b.ScaleDown.StabilizationWindowSeconds != 300 || len(b.ScaleUp.Policies) != 2 {
		t.Errorf("%+v", b)
	}
}
