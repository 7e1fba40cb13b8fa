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

// What is frozen is thawed to what it was, written down or not.
func TestThaw(t *testing.T) {
	built, _ := hpa.Build(policy(), nil, all)
	off := autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.DisabledPolicySelect)}
	least := autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.MinChangePolicySelect)}}
	for name, b := range map[string]*autoscalingv2.HorizontalPodAutoscalerBehavior{
		"none": nil, "built": built.Spec.Behavior, "the least": &least, "off itself": {ScaleUp: &off, ScaleDown: &off},
		"with a tolerance": {ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: ptr.To(resource.MustParse("0.05"))}},
	} {
		t.Run(name, func(t *testing.T) {
			h := built.DeepCopy()
			h.Spec.Behavior = b.DeepCopy()
			if name == "off itself" {
				hpa.RecordFrozen(h, b) // nobody can tell it from a frozen one afterwards
			}
			before := h.DeepCopy()
			frozen := hpa.Freeze(h)
			if !hpa.Frozen(frozen) {
				t.Fatal("not frozen")
			}
			thawed := hpa.Thaw(frozen, built.Spec.Behavior)
			if diff := cmp.Diff(b, thawed.Spec.Behavior); diff != "" || thawed.Annotations[hpa.FrozenAnnotation] != "" {
				t.Errorf("%s%v", diff, thawed.Annotations)
			}
			if diff := cmp.Diff(before, h); diff != "" {
				t.Errorf("the argument has changed: %s", diff)
			}
		})
	}
	for name, note := range map[string]string{"no note": "", "a spoiled one": "{", "one of nothing": `{"scaleDown":{"policies":[{"type":"Pods","value":0,"periodSeconds":1}]}}`} {
		t.Run(name, func(t *testing.T) {
			frozen := hpa.Freeze(built)
			if frozen.Annotations[hpa.FrozenAnnotation] = note; note == "" {
				delete(frozen.Annotations, hpa.FrozenAnnotation)
			}
			if diff := cmp.Diff(&least, hpa.Thaw(frozen, &least).Spec.Behavior); diff != "" {
				t.Errorf("not what it is given: %s", diff)
			}
			if b := hpa.Thaw(frozen, nil).Spec.Behavior; *b.ScaleUp.SelectPolicy != autoscalingv2.MaxChangePolicySelect || *b.ScaleDown.SelectPolicy != autoscalingv2.MaxChangePolicySelect {
				t.Errorf("still frozen: %+v", b)
			}
		})
	}
	if again := hpa.Thaw(built, nil); !cmp.Equal(built, again) {
		t.Error("one that is not frozen is changed")
	}
}
