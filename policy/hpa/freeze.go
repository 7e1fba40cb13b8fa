package hpa

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"
)

// Freeze returns a copy of live in which no metric changes the size: selectPolicy is
// Disabled both ways. Bounds, and people who scale the target between them, go on
// working: calculateScaleUpLimitWithScalingRules and its opposite in horizontal.go
// give the current size, and clamping comes before them.
//
// It is the whole object as it was read, resourceVersion, managed fields and status
// included.
func Freeze(live *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	frozen := live.DeepCopy()
	frozen.Spec.Behavior = withDefaults(frozen.Spec.Behavior)
	frozen.Spec.Behavior.ScaleUp.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	frozen.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	return frozen
}
