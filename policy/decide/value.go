package decide

import (
	"fmt"
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// reading is what the HPA read for one objective.
type reading struct {
	objective       string
	current, target string
	Value
}

// readings are those of the objectives that the HPA could read, in their order.
func (d *decision) readings() []reading {
	metrics := hpa.Metrics(d.Policy)
	if !ours(d.Snapshot) || len(metrics) != len(d.Policy.Spec.Objectives) {
		return nil
	}
	var out []reading
	for i, m := range metrics {
		now := floor.Current(d.Live, m)
		if now == nil {
			continue
		}
		t := targetOf(m)
		r := reading{objective: objective(&d.Policy.Spec.Objectives[i])}
		r.Objective = r.objective
		switch {
		case t.AverageUtilization != nil && now.AverageUtilization != nil:
			r.current, r.target = percent(*now.AverageUtilization), percent(*t.AverageUtilization)
			r.Current, r.Target = float64(*now.AverageUtilization), float64(*t.AverageUtilization)
		case t.AverageValue != nil && now.AverageValue != nil:
			r.current, r.Current = number(now.AverageValue)
			r.target, r.Target = number(t.AverageValue)
		case t.Value != nil && now.Value != nil:
			r.current, r.Current = number(now.Value)
			r.target, r.Target = number(t.Value)
		default:
			continue
		}
		out = append(out, r)
	}
	return out
}

// metric is the first objective's value against its target, for people.
func (d *decision) metric() string {
	for _, r := range d.readings() {
		return fmt.Sprintf("%s/%s %s", r.current, r.target, r.objective)
	}
	return ""
}

func (d *decision) values() []Value {
	var out []Value
	for _, r := range d.readings() {
		out = append(out, r.Value)
	}
	return out
}

func percent(n int32) string { return strconv.Itoa(int(n)) + "%" }

// number writes thousandths as people do: 42.5, not 42500m.
func number(q *resource.Quantity) (string, float64) {
	c := q.DeepCopy() // String and the like change it
	f := c.AsApproximateFloat64()
	if c.MilliValue()%1000 == 0 {
		return c.String(), f
	}
	return strconv.FormatFloat(f, 'f', -1, 64), f
}

// targetOf returns a metric's target.
func targetOf(m autoscalingv2.MetricSpec) autoscalingv2.MetricTarget {
	switch {
	case m.Pods != nil:
		return m.Pods.Target
	case m.Object != nil:
		return m.Object.Target
	case m.External != nil:
		return m.External.Target
	case m.Resource != nil:
		return m.Resource.Target
	case m.ContainerResource != nil:
		return m.ContainerResource.Target
	}
	return autoscalingv2.MetricTarget{}
}

// objective names an objective in the words of the policy.
func objective(o *v1alpha1.Objective) string {
	named := func(kind, name string) string {
		if name == "" {
			return kind
		}
		return kind + " " + name
	}
	switch {
	case o.RequestRate != nil:
		return "requestRate"
	case o.Queue != nil:
		return named("queue", o.Queue.Name)
	case o.CPU != nil:
		return named("cpu", o.CPU.Container)
	case o.Memory != nil:
		return named("memory", o.Memory.Container)
	case o.Custom != nil:
		return named("custom", o.Custom.Metric)
	case o.External != nil:
		return named("external", o.External.Metric)
	case o.Query != nil:
		return named("query", o.Query.Name)
	}
	return "objective"
}
