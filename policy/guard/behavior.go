package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/hpa"
)

func behaviorNil() Mode {
	return Mode{
		ID: 51, Name: "behavior-nil", Severity: Medium,
		Summary: "the HPA has no spec.behavior",
		Why: "without it the controller takes the highest recommendation of the last five minutes, upwards as well (horizontal.go:1080-1103): a target that is made anew, or another one, " +
			"gets the size of the old one; and nothing paces what it takes away",
		Remedy: "write out spec.behavior; the defaults are scaleUp {policies: [{type: Percent, value: 100, periodSeconds: 15}, {type: Pods, value: 4, periodSeconds: 15}]} " +
			"and scaleDown {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 100, periodSeconds: 15}]}; a smaller scaleDown policy is better",
		Needs: []Kind{HorizontalPodAutoscaler},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				// Up to there the controller goes in one step anyway (calculateScaleUpLimit in
				// horizontal.go).
				if oneStep := max(2*s.min(), 4); s.hpa.Spec.Behavior == nil && !s.unread && s.max() > oneStep {
					r.find(s.Object, s.field("spec.behavior"), fmt.Sprintf("it scales the %s from %d to %d without", s.targetName(), s.min(), s.max()))
				}
			}
		},
	}
}

// defaultWindow is the scale-in window where an HPA does not say (the flag
// --horizontal-pod-autoscaler-downscale-stabilization).
const defaultWindow = 5 * time.Minute

// window is the time for which the HPA holds its highest recommendation before it scales
// in.
func (s *scaler) window() time.Duration {
	if down := s.scaleDown(); down != nil && down.StabilizationWindowSeconds != nil {
		return time.Duration(*down.StabilizationWindowSeconds) * time.Second
	}
	return defaultWindow
}

func (s *scaler) scaleDown() *autoscalingv2.HPAScalingRules {
	if s.hpa.Spec.Behavior == nil {
		return nil
	}
	return s.hpa.Spec.Behavior.ScaleDown
}

func shortWindow() Mode {
	return Mode{
		ID: 53, Name: "window-shorter-than-rollout", Severity: Medium,
		Summary: "the HPA's scale-in window is shorter than a rollout of its target",
		Why:     "a rollout moves the metrics: old pods go, new ones are not warm; a window that is over before the rollout is lets the HPA scale in on what it saw in between",
		Remedy:  "set behavior.scaleDown.stabilizationWindowSeconds to 300, or to what a rollout takes if that is longer",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				takes := turnover(s, t)
				if takes == 0 && s.window() == 0 && rolls(t) && s.measuresPods() {
					r.find(s.Object, s.field("spec.behavior.scaleDown.stabilizationWindowSeconds"), fmt.Sprintf("it is 0 s, which is shorter than any rollout of the %s", s.targetName()))
				}
				if takes > s.window() {
					r.find(s.Object, s.field("spec.behavior.scaleDown.stabilizationWindowSeconds"), fmt.Sprintf("it is %.0f s, and by its probes and minReadySeconds a rollout of the %s takes %.0f s at least",
						s.window().Seconds(), s.targetName(), takes.Seconds()))
				}
			})
		},
	}
}

// rolls says whether a rollout of a target replaces its pods one batch after the other.
func rolls(t *workload) bool {
	if t.statefulSet != nil {
		return t.statefulSet.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType
	}
	return t.deployment != nil
}

// measuresPods says whether an HPA scales in by what its pods measure, which a rollout
// moves; that of a queue stays as it is.
func (s *scaler) measuresPods() bool {
	if down := s.scaleDown(); down != nil && down.SelectPolicy != nil && *down.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		return false
	}
	return len(s.hpa.Spec.Metrics) == 0 || slices.ContainsFunc(s.hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.External == nil && m.Object == nil
	})
}

// turnover is the least time that a rollout of a target takes at its smallest size: as
// many batches as its bounds make, each as long as its probes and minReadySeconds wait.
func turnover(s *scaler, t *workload) time.Duration {
	if t.template == nil {
		return 0
	}
	size, batch, seconds := max(s.min(), 1), int32(1), int32(0)
	switch {
	case t.deployment != nil:
		seconds = t.deployment.Spec.MinReadySeconds
		if f, ok := fenceposts(t.deployment, size); ok {
			batch = max(f.surge+f.unavailable, 1)
		} else {
			batch = size
		}
	case t.statefulSet != nil:
		seconds = t.statefulSet.Spec.MinReadySeconds
		if r := t.statefulSet.Spec.UpdateStrategy.RollingUpdate; t.statefulSet.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType || r != nil && r.MaxUnavailable != nil {
			return 0
		}
	default:
		return 0
	}
	var wait int32
	for i := range t.template.Spec.Containers {
		wait = max(wait, delay(&t.template.Spec.Containers[i]))
	}
	batches := (size + batch - 1) / batch
	return time.Duration(batches) * time.Duration(seconds+wait) * time.Second
}

// delay is how long a container waits before it can be ready.
func delay(c *corev1.Container) int32 {
	var seconds int32
	for _, p := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe} {
		if p != nil {
			seconds = max(seconds, p.InitialDelaySeconds)
		}
	}
	return seconds
}

func adapterStall() Mode {
	return Mode{
		ID: 54, Name: "adapter-stall", Severity: Critical,
		Summary: "the HPA controller does not get round to this HPA",
		Why: "five workers sync all HPAs of a cluster, and one that waits for a slow metrics API waits up to 60 s: five of them hold up every HPA, those on CPU included. " +
			"An HPA's observedGeneration then stays behind its generation",
		Remedy: "find the metrics API that hangs (kubectl get --raw its path) and bound its answers: an error at once costs nothing",
		Needs:  []Kind{HorizontalPodAutoscaler},
		Status: true,
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				if able := condition(s.hpa, autoscalingv2.AbleToScale); able != nil && able.Status == corev1.ConditionFalse {
					continue // without a scale it does not advance either
				}
				seen := s.hpa.Status.ObservedGeneration
				if seen == nil || *seen >= s.hpa.Generation || s.hpa.Generation == 0 {
					continue
				}
				changed := lastChange(s.hpa)
				if waits := w.Now.Sub(changed); !changed.IsZero() && waits > stalledAfter {
					r.find(s.Object, "status.observedGeneration", fmt.Sprintf("it is %d of %d, for %.0f s: the controller has not seen the last change yet", *seen, s.hpa.Generation, waits.Seconds()))
				}
			}
		},
	}
}

// stalledAfter is four syncs: a change is acted on at once, and at the next sync at the
// latest.
const stalledAfter = time.Minute

// lastChange is when the HPA's spec was written last; zero if it does not say.
func lastChange(h *autoscalingv2.HorizontalPodAutoscaler) time.Time {
	var last time.Time
	for _, m := range h.ManagedFields {
		if m.Subresource == "" && m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	return last
}

func outageExitCliff() Mode {
	return Mode{
		ID: 55, Name: "outage-exit-cliff", Severity: Critical,
		Summary: "the HPA could not read its metrics for longer than its window: the first low sample takes all pods",
		Why:     "recommendations older than the scale-in window are forgotten; after an outage that was longer there is nothing left to hold the size against the first sample",
		Remedy:  "raise minReplicas to the present size until one window after the metrics are back, or pace the scale-in by a scaleDown policy such as 10 % a minute",
		Needs:   []Kind{HorizontalPodAutoscaler},
		Status:  true,
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				c := condition(s.hpa, autoscalingv2.ScalingActive)
				if c == nil || c.Status != corev1.ConditionFalse || !strings.HasPrefix(c.Reason, "FailedGet") || w.Now.Sub(c.LastTransitionTime.Time) < s.window() {
					continue
				}
				if s.policy != nil && s.policy.Spec.Fallback != nil {
					continue // its floor holds
				}
				size := s.hpa.Status.CurrentReplicas
				next, every := hpa.Step(size, s.scaleDown())
				if size <= s.min() || every == 0 || next > s.min() {
					continue
				}
				r.find(s.Object, s.field("spec.behavior.scaleDown"), fmt.Sprintf("ScalingActive is False (%s) for %.0f s, longer than the window of %.0f s: when the metrics are back, a low one cuts %d pods to %d at once",
					c.Reason, w.Now.Sub(c.LastTransitionTime.Time).Seconds(), s.window().Seconds(), size, s.min()))
			}
		},
	}
}
