package hpa

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"
)

// FrozenAnnotation has the behavior that Freeze has replaced, as SaveBehavior writes it.
const FrozenAnnotation = "loadline.dev/frozen-behavior"

// Freeze returns a copy of live in which no metric changes the size: selectPolicy is
// Disabled both ways. Bounds, and people who scale the target between them, go on
// working: calculateScaleUpLimitWithScalingRules and its opposite in horizontal.go
// give the current size, and clamping comes before them.
//
// It is the whole object as it was read, resourceVersion, managed fields and status
// included, with FrozenAnnotation, unless it was frozen before by somebody who did not
// write down what there was.
func Freeze(live *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	frozen := live.DeepCopy()
	if _, known := frozen.Annotations[FrozenAnnotation]; !known && !Frozen(live) {
		RecordFrozen(frozen, live.Spec.Behavior)
	}
	frozen.Spec.Behavior = withDefaults(frozen.Spec.Behavior)
	frozen.Spec.Behavior.ScaleUp.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	frozen.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	return frozen
}

// RecordFrozen writes down on h what Thaw is to give back.
func RecordFrozen(h *autoscalingv2.HorizontalPodAutoscaler, own *autoscalingv2.HorizontalPodAutoscalerBehavior) {
	text, err := SaveBehavior(own)
	if err != nil {
		return // longer than any annotation: Thaw then knows as little as without it
	}
	if h.Annotations == nil {
		h.Annotations = map[string]string{}
	}
	h.Annotations[FrozenAnnotation] = text
}

// Frozen says whether no metric changes the size of an HPA.
func Frozen(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	off := func(r *autoscalingv2.HPAScalingRules) bool {
		return r != nil && ptr.Deref(r.SelectPolicy, autoscalingv2.MaxChangePolicySelect) == autoscalingv2.DisabledPolicySelect
	}
	b := h.Spec.Behavior
	return b != nil && off(b.ScaleUp) && off(b.ScaleDown)
}

// Thaw returns a copy of live with the behavior that Freeze has replaced, and without
// FrozenAnnotation. Where a frozen one has none that can be read, the behavior is
// otherwise or, if that is nil, the frozen one with Kubernetes' default selectPolicy.
func Thaw(live *autoscalingv2.HorizontalPodAutoscaler, otherwise *autoscalingv2.HorizontalPodAutoscalerBehavior) *autoscalingv2.HorizontalPodAutoscaler {
	h := live.DeepCopy()
	text, known := h.Annotations[FrozenAnnotation]
	delete(h.Annotations, FrozenAnnotation)
	if known {
		if own, err := RestoreBehavior(text); err == nil {
			h.Spec.Behavior = own
			return h
		}
	}
	switch {
	case !Frozen(h):
	case otherwise != nil:
		h.Spec.Behavior = otherwise.DeepCopy()
	default:
		h.Spec.Behavior.ScaleUp.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect)
		h.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect)
	}
	return h
}
