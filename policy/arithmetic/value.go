package arithmetic

import (
	"errors"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// object is computeStatusForObjectMetric in horizontal.go. Unlike that of an external metric,
// the type of its target decides.
func (c *calculation) object(m *autoscalingv2.ObjectMetricSource) {
	if !c.selects(m.Metric) {
		return
	}
	switch t := m.Target; {
	case t.Type == autoscalingv2.ValueMetricType && t.Value != nil:
		c.toward(t.Type, t.Value.MilliValue())
		if value, ok := c.one(); ok {
			c.whole(value)
		}
	case t.Type == autoscalingv2.AverageValueMetricType && t.AverageValue != nil:
		c.toward(t.Type, t.AverageValue.MilliValue())
		if value, ok := c.one(); ok {
			c.shared(value, math.Inf(1))
		}
	default:
		c.fail("it has no target of its type: neither value nor averageValue")
	}
}

// external is computeStatusForExternalMetric in horizontal.go: an average value goes before a
// value.
func (c *calculation) external(m *autoscalingv2.ExternalMetricSource) {
	t := m.Target
	if t.AverageValue == nil && t.Value == nil {
		c.fail("it has no target: neither value nor averageValue")
		return
	}
	if t.AverageValue != nil {
		c.toward(autoscalingv2.AverageValueMetricType, t.AverageValue.MilliValue())
	} else {
		c.toward(autoscalingv2.ValueMetricType, t.Value.MilliValue())
	}
	if !c.selects(m.Metric) || !c.values() {
		return
	}
	if t.AverageValue != nil {
		c.shared(totalPerPod(c.read.Values), math.MaxInt32)
	} else {
		c.whole(totalValue(c.read.Values))
	}
}

// values says whether there is a value.
func (c *calculation) values() bool {
	if c.read.Err == nil && len(c.read.Values) == 0 {
		c.read.Err = errEmpty
	}
	return !c.failed()
}

func (c *calculation) one() (int64, bool) {
	if c.read.Err == nil && len(c.read.Values) > 1 {
		c.read.Err = errors.New("the metrics API answered with more than one value for one object")
	}
	if !c.values() {
		return 0, false
	}
	return c.read.Values[0], true
}

// totalValue adds the values of all series up, to the greatest number at most
// (GetExternalMetricReplicas in replica_calculator.go).
func totalValue(values []int64) int64 {
	var total int64
	for _, v := range values {
		if v > 0 && total > math.MaxInt64-v {
			return math.MaxInt64
		}
		total += v
	}
	return total
}

// totalPerPod is the same of GetExternalPerPodMetricReplicas, which takes every sum below
// zero for an overflow: values below zero ask for all replicas that there may be.
func totalPerPod(values []int64) int64 {
	var total int64
	for _, v := range values {
		if total += v; total < 0 {
			return math.MaxInt64
		}
	}
	return total
}

// whole is the arithmetic of one value for all pods (getUsageRatioReplicaCount in
// replica_calculator.go):
//
//	replicas = ceil(value / target × pods that run and are ready)
//	from 0     ceil(value / target), without a tolerance
func (c *calculation) whole(value int64) {
	c.Usage, c.Ratio = &value, float64(value)/float64(c.Target)
	size := c.s.Scale.Spec.Replicas
	if size == 0 {
		c.Replicas = int32(math.Ceil(c.Ratio))
		return
	}
	if c.Tolerances.near(c.Ratio) {
		c.hold(WithinTolerance, size)
		return
	}
	if !c.any() {
		return
	}
	c.Pods = c.s.serving()
	if n := counted(c.Pods); c.Ratio*float64(n) > math.MaxInt32 {
		c.Times, c.Replicas = n, math.MaxInt32
	} else {
		c.Replicas = c.times(c.Ratio, n)
	}
}

// shared is the arithmetic of one value that pods share (GetObjectPerPodMetricReplicas and
// GetExternalPerPodMetricReplicas in replica_calculator.go):
//
//	ratio    = value / (target × status.replicas of the scale)
//	replicas = ceil(value / target), or status.replicas within the tolerance
//
// status.replicas also counts the pods that a rollout has more than it shall. most is the
// number of replicas at which the controller stops counting.
func (c *calculation) shared(value int64, most float64) {
	size := c.s.Scale.Status.Replicas
	c.Total = &value
	c.Ratio = float64(value) / (float64(c.Target) * float64(size))
	if c.Tolerances.near(c.Ratio) {
		c.hold(WithinTolerance, size)
	} else if n := math.Ceil(float64(value) / float64(c.Target)); n > most {
		c.Replicas = math.MaxInt32
	} else {
		c.Replicas = int32(n)
	}
	if size == 0 {
		return // the controller divides by it all the same, and shows nonsense
	}
	average := int64(math.MaxInt64)
	if most > math.MaxInt32 || float64(value) < math.MaxInt64 { // only one of the two stops there
		average = int64(math.Ceil(float64(value) / float64(size)))
	}
	c.Usage = &average
}
