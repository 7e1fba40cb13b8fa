package chain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Metric is one of an HPA: what is asked, what was answered, and what it proposes.
type Metric struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Target is what it aims at, for people.
	Target string `json:"target"`
	// Asked is the path that the controller asks for, too; empty where it asks for nothing.
	Asked string `json:"asked,omitempty"`
	// Behind is the rule and the query behind the answer; absent where they are not known, as
	// of what is served by others than loadline-adapter.
	Behind *Behind `json:"behind,omitempty"`
	// Undiagnosed is why they are not known where those of another metric are. See that of
	// Report for where none are.
	Undiagnosed *Break `json:"undiagnosed,omitempty"`
	// Pods are those with a value and those that count, by name; Series the values of an
	// object or of an external metric.
	Pods   []Pod    `json:"pods"`
	Series []Series `json:"series"`
	// LastSync is what the HPA's status has of it; empty for nothing.
	LastSync string `json:"lastSync,omitempty"`
	// Replicas is what it proposes; absent where it proposes nothing, or where the sync looks
	// at no metric.
	Replicas *int32 `json:"replicas,omitempty"`
	// Held is why that is the size that there is: WithinTolerance, TurnedRound or OtherWay;
	// empty if the arithmetic gave it.
	Held string `json:"held,omitempty"`
	// Why is the arithmetic, for people.
	Why string `json:"why"`
	// Broken is why it proposes nothing; absent if it does.
	Broken *Break `json:"broken,omitempty"`
}

// Pod is one of a metric.
type Pod struct {
	Name string `json:"name"`
	// As is what it counts as: Ready, Unready, Missing, Ignored or Stray, and Why it is not
	// Ready. Empty where nothing was computed.
	As  string `json:"as,omitempty"`
	Why string `json:"why,omitempty"`
	// Value is what was read for it, Assumed what is counted in its place, Requested what it
	// requests of the resource; empty for nothing.
	Value     string `json:"value,omitempty"`
	Assumed   string `json:"assumed,omitempty"`
	Requested string `json:"requested,omitempty"`
	// AgeSeconds is how old the value is; absent without one.
	AgeSeconds *float64 `json:"ageSeconds,omitempty"`
}

// Series is a value of an object or of an external metric.
type Series struct {
	Labels map[string]string `json:"labels,omitempty"`
	Value  string            `json:"value"`
	// AgeSeconds is how old the value is; absent where the answer did not say.
	AgeSeconds *float64 `json:"ageSeconds,omitempty"`
}

// metric joins what was answered for a metric with what was computed of it; p is nil where
// nothing was.
func (in *Input) metric(i int, p *arithmetic.Proposal) Metric {
	spec, a := in.HPA.Spec.Metrics[i], in.answer(i)
	m := Metric{
		Name: floor.Name(spec), Type: string(spec.Type), Target: target(&spec), Asked: a.Asked, Behind: behind(a.Diagnosis), Undiagnosed: a.Undiagnosed,
		Pods: in.pods(&a, resourceOf(&spec), p), Series: []Series{}, LastSync: current(floor.Current(in.HPA, spec), resourceOf(&spec)),
		Why: "no proposal: it is not looked at",
	}
	if in.Scale == nil || in.PodsUnread {
		m.Why = "no proposal: the target's size or pods are not known"
	}
	for _, s := range a.Series {
		m.Series = append(m.Series, Series{Labels: s.Labels, Value: arithmetic.Amount("", s.Milli), AgeSeconds: age(in.Now, s.Timestamp)})
	}
	if p != nil {
		m.Why = p.Formula()
		if p.Failure == nil {
			m.Replicas, m.Held = &p.Replicas, string(p.Held)
		}
	}
	m.Broken = in.broken(spec, &a, p)
	return m
}

// pods are those of a proposal or, without one, those that the answer has. The ones that do
// not count as they are come first, since a list may be cut.
func (in *Input) pods(a *Answer, of corev1.ResourceName, p *arithmetic.Proposal) []Pod {
	all := []Pod{}
	amount := func(milli *int64) string {
		if milli == nil {
			return ""
		}
		return arithmetic.Amount(of, *milli)
	}
	if p != nil && len(p.Pods) > 0 {
		for _, pod := range p.Pods {
			one := Pod{Name: pod.Name, As: string(pod.Role), Why: pod.Why, Value: amount(pod.Milli), Assumed: amount(pod.Assumed), Requested: amount(pod.Request)}
			if s, ok := a.Reading.Pods[pod.Name]; ok {
				one.AgeSeconds = age(in.Now, s.Timestamp)
			}
			all = append(all, one)
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(a.Reading.Pods)) {
			s := a.Reading.Pods[name]
			all = append(all, Pod{Name: name, Value: amount(&s.Milli), AgeSeconds: age(in.Now, s.Timestamp)})
		}
	}
	rank := func(p Pod) int {
		if p.As == string(arithmetic.Ready) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Pod) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// age is in seconds, to the tenth; nil of a time that there is not.
func age(now, measured time.Time) *float64 {
	if measured.IsZero() {
		return nil
	}
	seconds := now.Sub(measured).Round(100 * time.Millisecond).Seconds()
	return &seconds
}

// resourceOf is what a metric of a resource is of; empty for the others.
func resourceOf(m *autoscalingv2.MetricSpec) corev1.ResourceName {
	switch {
	case m.Resource != nil:
		return m.Resource.Name
	case m.ContainerResource != nil:
		return m.ContainerResource.Name
	}
	return ""
}

// target is what a metric aims at. The controller takes an average value before the others,
// but for an object, whose type decides.
func target(m *autoscalingv2.MetricSpec) string {
	t := hpa.TargetOf(m)
	switch {
	case t == nil:
		return "nothing"
	case t.AverageValue != nil && (m.Object == nil || t.Type == autoscalingv2.AverageValueMetricType):
		return arithmetic.Amount(resourceOf(m), t.AverageValue.MilliValue()) + " for each pod"
	case t.AverageUtilization != nil:
		return fmt.Sprintf("%d%% of what pods request", *t.AverageUtilization)
	case t.Value != nil:
		return arithmetic.Amount(resourceOf(m), t.Value.MilliValue()) + " in all"
	}
	return "nothing"
}

// current is what an HPA's status has of a metric.
func current(v *autoscalingv2.MetricValueStatus, of corev1.ResourceName) string {
	switch {
	case v == nil:
		return ""
	case v.AverageUtilization != nil && v.AverageValue != nil:
		return fmt.Sprintf("%d%% of what pods request, %s for each pod", *v.AverageUtilization, arithmetic.Amount(of, v.AverageValue.MilliValue()))
	case v.AverageValue != nil:
		return arithmetic.Amount(of, v.AverageValue.MilliValue()) + " for each pod"
	case v.Value != nil:
		return arithmetic.Amount(of, v.Value.MilliValue()) + " in all"
	}
	return ""
}
