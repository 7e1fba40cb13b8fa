package decide

import (
	"fmt"
	"slices"
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Reading is what an HPA read for one objective of a policy.
type Reading struct {
	// Current and Target are for people. Current is empty where nothing was read; then
	// Value.Current is no value either.
	Current, Target string
	Value
}

// Readings are those of all objectives in their order; none where the HPA is nil.
func Readings(p *v1alpha1.AutoscalingPolicy, live *autoscalingv2.HorizontalPodAutoscaler) []Reading {
	metrics := hpa.Metrics(p)
	if live == nil || len(metrics) != len(p.Spec.Objectives) {
		return nil
	}
	out := make([]Reading, 0, len(metrics))
	names := objectives(p.Spec.Objectives)
	for i, m := range metrics {
		t := hpa.TargetOf(&m) // Metrics gives each a source
		var now autoscalingv2.MetricValueStatus
		if read := floor.Current(live, m); read != nil {
			now = *read
		}
		r := Reading{Value: Value{Objective: names[i]}}
		switch {
		case t.AverageUtilization != nil:
			r.Target, r.Value.Target = percent(*t.AverageUtilization), float64(*t.AverageUtilization)
			if now.AverageUtilization != nil {
				r.Current, r.Value.Current = percent(*now.AverageUtilization), float64(*now.AverageUtilization)
			}
		case t.AverageValue != nil:
			r.Target, r.Value.Target = number(t.AverageValue)
			r.Current, r.Value.Current = number(now.AverageValue)
		default:
			r.Target, r.Value.Target = number(t.Value)
			r.Current, r.Value.Current = number(now.Value)
		}
		out = append(out, r)
	}
	return out
}

// readings are those of what the HPA could read, where it is ours.
func (d *decision) readings() []Reading {
	if !ours(d.Snapshot) {
		return nil
	}
	return slices.DeleteFunc(Readings(d.Policy, d.Live), func(r Reading) bool { return r.Current == "" })
}

// metric is the first objective's value against its target, for people.
func (d *decision) metric() string {
	for _, r := range d.readings() {
		return fmt.Sprintf("%s/%s %s", r.Current, r.Target, r.Objective)
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

// number writes thousandths as people do: 42.5, not 42500m. It is empty for nil.
func number(q *resource.Quantity) (string, float64) {
	if q == nil {
		return "", 0
	}
	c := q.DeepCopy() // String and the like change it
	f := c.AsApproximateFloat64()
	if c.MilliValue()%1000 == 0 {
		return c.String(), f
	}
	// Not f, which can be a hair beside its thousandths.
	return strconv.FormatFloat(float64(c.MilliValue())/1000, 'f', -1, 64), f
}

// objectives names objectives, each differently: they are label values of a metric. What
// differs in a selector or an object only has its place in the list.
func objectives(list []v1alpha1.Objective) []string {
	names, times := make([]string, len(list)), map[string]int{}
	for i := range list {
		names[i] = objective(&list[i])
		times[names[i]]++
	}
	for i, name := range names {
		if times[name] > 1 {
			names[i] = fmt.Sprintf("%s #%d", name, i+1)
		}
	}
	return names
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
