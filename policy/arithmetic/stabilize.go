package arithmetic

import (
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/floor"
)

// recommendations are what the controller remembers. A controller that remembers nothing of
// an HPA begins with the size that it finds (recordInitialRecommendation).
func (d *decider) recommendations() []Recommendation {
	if len(d.Memory.Recommendations) == 0 {
		return []Recommendation{{d.Now, d.size}}
	}
	return d.Memory.Recommendations
}

// stabilizeDown is the stabilisation of an HPA without a behavior: the highest recommendation
// of the window, this one included, which may be more than the size that there is
// (stabilizeRecommendation).
func (d *decider) stabilizeDown(want int32) {
	window := d.Settings.DownscaleStabilization
	s := Step{Rule: Stabilize, In: exactly(want), Out: exactly(want)}
	if d.Memory != nil {
		for _, r := range d.recommendations() {
			if !r.At.Before(d.Now.Add(-window)) {
				s.Out = exactly(max(s.Out.Most, r.Replicas))
			}
		}
	} else if s.Out.Most = d.remembered(want); !s.Out.Exact() {
		s.NotObservable = fmt.Sprintf("what the controller recommended in the last %s: the highest of that holds", short(window))
	}
	d.stabilized(s, "ScaleDownStabilized", fmt.Sprintf("nothing in the last %s asked for more", short(window)))
}

// stabilized adds the step of a stabilisation, with the controller's reason if what came out
// differs from what went in.
func (d *decider) stabilized(s Step, held, free string) {
	switch {
	case s.Out == s.In:
		s.Reason, s.Why = "ReadyForNewScale", free
	case s.Out.Exact():
		s.Reason, s.Why = held, "earlier recommendations hold it"
	case held == "ScaleUpStabilized":
		s.Why = "lower earlier recommendations may hold it"
	default:
		s.Why = "higher earlier recommendations may hold it"
	}
	d.step(s)
}

// remembered is the highest recommendation that the controller may have in its window, with
// want as the newest, for an HPA without a behavior.
//
// Where the last sync went all the way with this very spec and nothing limited what it had
// stabilised, that is in status.desiredReplicas, and it was the highest of the window. Since
// then no recommendation came to it. A controller that has started anew has only the size.
//
//   - currentMetrics are empty after a sync that moved the size into its bounds, which leaves
//     the conditions as they were; ScalingActive is False after one without metrics.
//   - A generation of 0 is an API server's that does not count them, so that a change of the
//     spec does not show.
func (d *decider) remembered(want int32) int32 {
	st := &d.HPA.Status
	able := floor.Condition(d.HPA, autoscalingv2.AbleToScale)
	active := floor.Condition(d.HPA, autoscalingv2.ScalingActive)
	limited := floor.Condition(d.HPA, autoscalingv2.ScalingLimited)
	seen := d.HPA.Generation != 0 && st.ObservedGeneration != nil && *st.ObservedGeneration == d.HPA.Generation
	if !seen || len(st.CurrentMetrics) == 0 || limited == nil || !is(able) || !is(active) {
		return math.MaxInt32
	}
	switch {
	case able.Reason != "ReadyForNewScale" && able.Reason != "ScaleDownStabilized" && able.Reason != "SucceededRescale":
		return math.MaxInt32
	case !is(limited):
		return max(want, d.size, st.DesiredReplicas)
	case limited.Reason == "TooFewReplicas":
		return max(want, d.size, d.min)
	}
	return math.MaxInt32
}

func is(c *autoscalingv2.HorizontalPodAutoscalerCondition) bool {
	return c != nil && c.Status == corev1.ConditionTrue
}

// stabilize is the stabilisation of an HPA with a behavior
// (stabilizeRecommendationWithBehaviors): the size rises to the lowest recommendation of the
// window for scaling up, and falls to the highest of the window for scaling down, this one
// included in both. So it is never beyond what is wanted, nor beyond the size that there is.
func (d *decider) stabilize(want int32) {
	up := seconds(d.spec.Behavior.ScaleUp.StabilizationWindowSeconds)
	down := seconds(d.spec.Behavior.ScaleDown.StabilizationWindowSeconds)
	if d.spec.Behavior.ScaleDown.StabilizationWindowSeconds == nil {
		down = d.Settings.DownscaleStabilization.Truncate(time.Second)
	}
	s := Step{Rule: Stabilize, In: exactly(want)}
	window, held := down, "ScaleDownStabilized"
	if want >= d.size {
		window, held = up, "ScaleUpStabilized"
	}
	switch {
	case d.Memory != nil:
		lowest, highest := want, want
		for _, r := range d.recommendations() {
			if r.At.After(d.Now.Add(-up)) {
				lowest = min(lowest, r.Replicas)
			}
			if r.At.After(d.Now.Add(-down)) {
				highest = max(highest, r.Replicas)
			}
		}
		s.Out = exactly(min(max(d.size, lowest), highest))
	case window == 0 || want == d.size:
		s.Out = s.In
	default:
		s.Out = Range{min(want, d.size), max(want, d.size)}
		end := "highest"
		if want > d.size {
			end = "lowest"
		}
		s.NotObservable = fmt.Sprintf("what the controller recommended in the last %s: the %s of that holds", short(window), end)
	}
	free := "there is no window in this direction"
	switch {
	case want == d.size:
		free = "it is the size that there is"
	case window != 0:
		free = fmt.Sprintf("nothing in the last %s asked for less change", short(window))
	}
	d.stabilized(s, held, free)
}

func seconds(n *int32) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}
