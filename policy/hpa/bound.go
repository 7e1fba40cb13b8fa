package hpa

import (
	"strconv"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// EffectiveMin returns the minimum in force: the highest of min and the floors, at most
// max. Decisive is the floor that it is of, uncapped, or nil where it is min itself; of
// equal floors the first one. It knows no clock: floors that have expired are the
// caller's to leave out.
func EffectiveMin(min, max int32, floors []v1alpha1.Floor) (n int32, decisive *v1alpha1.Floor) {
	n = min
	for i := range floors {
		if floors[i].Value > n {
			n, decisive = floors[i].Value, floors[i].DeepCopy()
		}
	}
	if n > max {
		n = max
	}
	if n <= min {
		decisive = nil
	}
	return n, decisive
}

// Step returns the size to which the HPA may cut a size of value within one period of
// its scaleDown rules, and after how long it may do so again. It is the arithmetic of
// calculateScaleDownLimitWithBehaviors in horizontal.go, without the events of the
// period that has passed; where policies have different periods, the longest is waited
// for. It is never below 0.
//
// Where the rules forbid to scale down (selectPolicy Disabled), next is value and every
// is 0: no step is allowed. What down leaves out, nil included, is as in Behavior.
func Step(value int32, down *autoscalingv2.HPAScalingRules) (next int32, every time.Duration) {
	rules := complete(down, defaultScaleDown())
	if *rules.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		return value, 0
	}
	for i, p := range rules.Policies {
		proposed := value - p.Value
		if p.Type == autoscalingv2.PercentScalingPolicy {
			// It truncates, as the HPA does: any percentage takes one pod at least.
			proposed = int32(float64(value) * (1 - float64(p.Value)/100))
		}
		switch {
		case i == 0:
			next = proposed
		case *rules.SelectPolicy == autoscalingv2.MinChangePolicySelect:
			next = max(next, proposed)
		default:
			next = min(next, proposed)
		}
		every = max(every, time.Duration(p.PeriodSeconds)*time.Second)
	}
	return max(next, 0), every
}

// WrittenMin is the owner's minimum as it was when an HPA of ours was written last, from
// its annotation; otherwise where that says none.
func WrittenMin(live *autoscalingv2.HorizontalPodAutoscaler, otherwise int32) int32 {
	n, err := strconv.ParseInt(live.Annotations[MinAnnotation], 10, 32)
	if err != nil || n < 0 {
		return otherwise
	}
	return int32(n)
}
