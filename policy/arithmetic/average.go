package arithmetic

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// measure is how a metric of pods judges the values that count.
type measure struct {
	// ratio is usage by target. The first values are those that were read; their usage is
	// what the proposal says.
	ratio func(values map[string]int64, first bool) float64
	// full is what a pod without a sample is assumed to use before any is taken away.
	full func(pod string) int64
}

// average is the arithmetic of an average value for each pod (calcPlainMetricReplicas in
// replica_calculator.go, GetMetricUsageRatio in utilization.go):
//
//	usage    = sum of the samples / their number, cut to whole thousandths
//	replicas = ceil(usage / target × pods)
//
// of is the resource, empty for a metric that is none.
func (c *calculation) average(of corev1.ResourceName) {
	g, ok := c.samples(of)
	if !ok {
		return
	}
	c.judge(&g, measure{
		ratio: func(values map[string]int64, first bool) float64 {
			usage := sum(values) / int64(len(values))
			if first {
				c.Usage = &usage
			}
			return float64(usage) / float64(c.Target)
		},
		full: func(string) int64 { return c.Target },
	})
}

// utilization is the arithmetic of a percentage of what pods request (GetResourceReplicas in
// replica_calculator.go, GetResourceUtilizationRatio in utilization.go):
//
//	utilization = sum of the samples × 100 / sum of the same pods' requests, cut to whole percent
//	replicas    = ceil(utilization / target × pods)
func (c *calculation) utilization(of corev1.ResourceName, container string) {
	g, ok := c.samples(of)
	if !ok {
		return
	}
	request, err := requests(c.s.Pods, of, container)
	if err != nil {
		c.fail(err.Error())
		return
	}
	for i := range g.all {
		if r, ok := request[g.all[i].Name]; ok {
			g.all[i].Request = ptr.To(r)
		}
	}
	if of := totals(g.values, request); of.request == 0 {
		c.fail("the pods that have samples request nothing")
		return
	}
	c.judge(&g, measure{
		ratio: func(values map[string]int64, first bool) float64 {
			of := totals(values, request)
			percent := int32(of.used * 100 / of.request)
			if first {
				c.Utilization, c.Usage = &percent, ptr.To(of.used/of.pods)
			}
			return float64(percent) / float64(c.Target)
		},
		// All that it requests, or the target where that is more.
		full: func(pod string) int64 { return request[pod] * max(100, c.Target) / 100 },
	})
}

type total struct{ used, request, pods int64 }

// totals are over the values of pods that there are; strays have no request.
func totals(values, request map[string]int64) total {
	var t total
	for name, used := range values {
		if r, ok := request[name]; ok {
			t.used, t.request, t.pods = t.used+used, t.request+r, t.pods+1
		}
	}
	return t
}

// any says whether the selector finds a pod.
func (c *calculation) any() bool {
	if len(c.s.Pods) == 0 {
		c.fail("the target's selector finds no pod")
	}
	return len(c.s.Pods) > 0
}

// samples are those of the target's pods; false if none counts.
func (c *calculation) samples(of corev1.ResourceName) (g pods, ok bool) {
	if c.failed() || !c.any() {
		return pods{}, false
	}
	g = c.s.group(c.read.Pods, of)
	c.Pods = g.all
	if len(g.values) == 0 {
		c.fail("no pod has a sample that counts")
	}
	return g, len(g.values) > 0
}

// judge is what an average and a utilization have in common, the second half of
// GetResourceReplicas and of calcPlainMetricReplicas. Pods without a usable sample are assumed
// to be such that less is done, and never such that the direction turns:
//
//	more is wanted:  unready and missing pods use nothing
//	fewer:           missing pods use all that they may, unready ones stay out
func (c *calculation) judge(g *pods, m measure) {
	size := c.s.Scale.Spec.Replicas
	c.Ratio = m.ratio(g.values, true)
	unready, missing := g.names(Unready), g.names(Missing)
	more := len(unready) > 0 && c.Ratio > 1
	if !more && len(missing) == 0 {
		if c.Tolerances.near(c.Ratio) {
			c.hold(WithinTolerance, size)
		} else {
			c.Replicas = c.times(c.Ratio, counted(g.all))
		}
		return
	}
	nothing := func(string) int64 { return 0 }
	switch {
	case c.Ratio < 1:
		g.assume(Missing, m.full)
	case c.Ratio > 1:
		g.assume(Missing, nothing)
	}
	if more {
		g.assume(Unready, nothing)
	}
	assumed := m.ratio(g.values, false)
	c.Assumed = &assumed
	if c.Tolerances.near(assumed) {
		c.hold(WithinTolerance, size)
		return
	}
	if c.Ratio < 1 && assumed > 1 || c.Ratio > 1 && assumed < 1 {
		c.hold(TurnedRound, size)
		return
	}
	// All values that count, strays and those that were assumed among them.
	c.Replicas = c.times(assumed, len(g.values))
	if assumed < 1 && c.Replicas > size || assumed > 1 && c.Replicas < size {
		c.hold(OtherWay, size)
	}
}
