package arithmetic

import (
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"
)

// rate applies the bounds and the policies of a behavior
// (convertDesiredReplicasWithBehaviorRate).
func (d *decider) rate() {
	in, up, down := d.Replicas, exactly(d.size), exactly(d.size)
	if in.Most > d.size {
		up = d.policies(d.spec.Behavior.ScaleUp, true).each(func(n int32) int32 { return max(n, d.size) })
	}
	if in.Least < d.size {
		down = d.policies(d.spec.Behavior.ScaleDown, false).each(func(n int32) int32 { return min(n, d.size) })
	}
	s := Step{Rule: Limit, In: in, Out: Range{
		d.between(in.Least, up.Least, down.Least),
		d.between(in.Most, up.Most, down.Most),
	}}
	if !s.Out.Exact() && !(up.Exact() && down.Exact()) {
		s.NotObservable = "by how much the controller scaled within the periods of the behavior's policies"
	}
	d.explain(&s, up, down)
	d.step(s)
}

// between limits n: above the size to what may be added, below it to what may be removed, and
// both to the bounds.
func (d *decider) between(n, up, down int32) int32 {
	switch {
	case n > d.size:
		return min(n, d.max, up)
	case n < d.size:
		return max(n, d.min, down)
	}
	return n
}

// policies is the size that the policies of one direction allow
// (calculateScaleUpLimitWithScalingRules, calculateScaleDownLimitWithBehaviors). Each counts
// from the size at the start of its period: what is there now without what was added since
// and with what was removed.
func (d *decider) policies(rules *autoscalingv2.HPAScalingRules, up bool) Range {
	choice := ptr.Deref(rules.SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if choice == autoscalingv2.DisabledPolicySelect {
		return exactly(d.size)
	}
	// The least change is the least limit on the way up, and the greatest on the way down.
	result, pick := exactly(math.MinInt32), func(a, b int32) int32 { return max(a, b) }
	if (choice == autoscalingv2.MinChangePolicySelect) == up {
		result, pick = exactly(math.MaxInt32), func(a, b int32) int32 { return min(a, b) }
	}
	for _, p := range rules.Policies {
		start, ok := d.start(time.Duration(p.PeriodSeconds) * time.Second)
		allowed := anything()
		if ok {
			allowed = exactly(allows(p, start, up))
		}
		result = result.with(allowed, pick)
	}
	return result
}

// allows is the size that one policy allows, from the size at the start of its period. On the
// way up a percentage is rounded up, on the way down what is left is rounded down.
func allows(p autoscalingv2.HPAScalingPolicy, start int32, up bool) int32 {
	switch share := float64(p.Value) / 100; {
	case p.Type == autoscalingv2.PodsScalingPolicy && up:
		return start + p.Value
	case p.Type == autoscalingv2.PodsScalingPolicy:
		return start - p.Value
	case up:
		return int32(math.Ceil(float64(start) * (1 + share)))
	default:
		return int32(float64(start) * (1 - share))
	}
}

// start is the size at the start of a period that ends now. Without the controller's memory it
// is known if nothing was scaled in the period: the HPA's status has whole seconds.
func (d *decider) start(period time.Duration) (int32, bool) {
	since := d.Now.Add(-period)
	if d.Memory == nil {
		last := d.HPA.Status.LastScaleTime
		return d.size, last == nil || !last.Add(time.Second).After(since)
	}
	return d.size - changed(d.Memory.Ups, since) + changed(d.Memory.Downs, since), true
}

func changed(list []Change, since time.Time) int32 {
	var by int32
	for _, c := range list {
		if c.At.After(since) {
			by += c.By
		}
	}
	return by
}

// explain says what limited it, with the controller's reason where that is certain.
func (d *decider) explain(s *Step, up, down Range) {
	switch in := s.In; {
	case s.Out == in && s.NotObservable == "":
		s.Reason, s.Why = "DesiredWithinRange", "bounds and policies allow it"
	case in.Least > d.size && up.Exact() && in.Least > min(d.max, up.Least):
		s.Reason, s.Why = "TooManyReplicas", fmt.Sprintf("the maximum is %d", d.max)
		if d.max > up.Least {
			s.Reason, s.Why = "ScaleUpLimit", fmt.Sprintf("the behavior's policies allow %d at most now", up.Least)
		}
	case in.Most < d.size && down.Exact() && in.Most < max(d.min, down.Least):
		s.Reason, s.Why = "TooFewReplicas", fmt.Sprintf("the minimum is %d", d.min)
		if d.min < down.Least {
			s.Reason, s.Why = "ScaleDownLimit", fmt.Sprintf("the behavior's policies allow %d at least now", down.Least)
		}
	case in.Most > d.size:
		s.Why = fmt.Sprintf("the maximum is %d, and the behavior's policies allow %s", d.max, up)
	default:
		s.Why = fmt.Sprintf("the minimum is %d, and the behavior's policies allow %s", d.min, down)
	}
}
