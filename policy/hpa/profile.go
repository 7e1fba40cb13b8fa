package hpa

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Behavior returns how fast the size of s follows its objectives: the profile's, or
// s.Behavior as it is with Kubernetes' defaults written out. It is never nil and every
// field is set but tolerance, so that nothing is left to an HPA controller's flags and
// no other writer can add what we would not notice. Where the cluster drops tolerance,
// it is left out.
func Behavior(s *v1alpha1.AutoscalingPolicySpec, c Capabilities) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	if s.Behavior == nil {
		return profile(s.Profile)
	}
	b := withDefaults(s.Behavior)
	if !c.Tolerance {
		b.ScaleUp.Tolerance, b.ScaleDown.Tolerance = nil, nil
	}
	return b
}

// profile returns the behavior of a profile; Balanced for none.
func profile(p v1alpha1.Profile) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	switch p {
	case v1alpha1.Steady:
		// For load with short peaks and for slow starters: a peak must last a minute
		// before pods are added, and they leave slowly, so that a lull costs nothing.
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   rules(60, percent(50, 60), pods(2, 60)),
			ScaleDown: rules(900, percent(10, 60)),
		}
	case v1alpha1.Responsive:
		// For bursts and fast starters. The window stays: it costs a few pods for five
		// minutes, and without it a gap between two bursts empties the target.
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   rules(0, percent(300, 15), pods(10, 15)),
			ScaleDown: rules(300, percent(50, 15)),
		}
	default:
		// Up as Kubernetes does by default. Down paced, which its default of 100 % is
		// not: with that, the end of a floor or of an outage takes all pods at once.
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp:   rules(0, percent(100, 15), pods(4, 15)),
			ScaleDown: rules(300, percent(25, 30)),
		}
	}
}

// withDefaults returns b with what it omits filled in as SetDefaults_… in defaults.go
// fills it, and the scale-down window, which defaults.go leaves to the controller
// manager's flag, with that flag's default.
func withDefaults(b *autoscalingv2.HorizontalPodAutoscalerBehavior) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	if b == nil {
		b = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	}
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp:   complete(b.ScaleUp, defaultScaleUp()),
		ScaleDown: complete(b.ScaleDown, defaultScaleDown()),
	}
}

// complete returns a copy of from with its gaps filled from defaults, as
// copyHPAScalingRules in defaults.go does.
func complete(from, defaults *autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	if from == nil {
		return defaults
	}
	to := from.DeepCopy()
	if to.StabilizationWindowSeconds == nil {
		to.StabilizationWindowSeconds = defaults.StabilizationWindowSeconds
	}
	if to.SelectPolicy == nil {
		to.SelectPolicy = defaults.SelectPolicy
	}
	// An empty list, which Kubernetes refuses (validation.go) and so does Check, leaves
	// its JSON before a server sees it.
	if len(to.Policies) == 0 {
		to.Policies = defaults.Policies
	}
	return to
}

// defaultScaleUp is defaultHPAScaleUpRules of defaults.go.
func defaultScaleUp() *autoscalingv2.HPAScalingRules {
	return rules(0, pods(4, 15), percent(100, 15))
}

// defaultScaleDown is defaultHPAScaleDownRules of defaults.go; its window is that of
// the flag --horizontal-pod-autoscaler-downscale-stabilization.
func defaultScaleDown() *autoscalingv2.HPAScalingRules {
	return rules(300, percent(100, 15))
}

// rules selects the policy that allows the most.
func rules(window int32, policies ...autoscalingv2.HPAScalingPolicy) *autoscalingv2.HPAScalingRules {
	return &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: &window,
		SelectPolicy:               ptr.To(autoscalingv2.MaxChangePolicySelect),
		Policies:                   policies,
	}
}

func percent(value, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: value, PeriodSeconds: seconds}
}

func pods(value, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: value, PeriodSeconds: seconds}
}
