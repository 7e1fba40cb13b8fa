package floor

import (
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/hpa"
)

// State says whether an HPA reads its metrics.
type State string

// The states of an HPA's metrics.
const (
	Good    State = "Good"    // all were read in the last sync
	Bad     State = "Bad"     // one at least could not be
	Unknown State = "Unknown" // the HPA does not say
)

// Health is how an HPA's metrics are.
type Health struct {
	State State
	// Missing are the metrics that cannot be read, in the order of the HPA's spec.
	Missing []string
	// None: not one can be read.
	None bool
	// Since is since when, by the HPA's own account; zero if it gives none.
	Since time.Time
	// Text is why: the HPA's words where it has some, its selectors readable.
	Text string
	// Blank: the last sync told nothing about metrics. The next one may; what was known
	// before still is the best there is, and State is from that, where the HPA has it.
	Blank bool
	// Disabled: the target was set to 0, which switches its HPA off.
	Disabled bool
	// Stopped: the HPA does not read its metrics, as it cannot tell which pods are its
	// target's. It goes on keeping the size within its bounds. Text has its words.
	Stopped bool
	// ToZero: the HPA itself scaled the target to 0.
	ToZero bool
}

// Judge says how the metrics of an HPA are, from its conditions and its currentMetrics.
//
// An entry that could not be read is not missing from currentMetrics: it is there
// without a type. Where one of several can be read, ScalingActive is true or false by
// what that one asks for, so it alone does not tell. A sync that moves the size into its
// bounds reads no metric, leaves the list empty and the condition as it was
// (reconcileAutoscaler in horizontal.go; seen on 1.37.2). An old status alone is nothing
// bad: where the HPA controller stands still, it would not act on a floor either.
func Judge(live *autoscalingv2.HorizontalPodAutoscaler) Health {
	if live == nil {
		return Health{State: Unknown, Text: "there is no HPA yet", Blank: true}
	}
	h := Health{State: Unknown}
	if c := Condition(live, autoscalingv2.ScaledToZero); c != nil {
		h.ToZero = c.Status == corev1.ConditionTrue
	}
	active := Condition(live, autoscalingv2.ScalingActive)
	able := Condition(live, autoscalingv2.AbleToScale)
	failed := active != nil && active.Status == corev1.ConditionFalse
	h.Disabled = failed && active.Reason == "ScalingDisabled"
	switch {
	case able == nil && active == nil, behind(live):
		h.Text, h.Blank = "the HPA controller has not looked at the HPA yet", true
	case able != nil && able.Status == corev1.ConditionFalse && able.Reason == "FailedGetScale":
		h.Text = hpa.Readable(able.Message)
	case active == nil:
		h.Text, h.Blank = "the HPA has not read its metrics yet", true
	case failed && !aboutMetrics(active.Reason):
		h.Text, h.Stopped = hpa.Readable(active.Message), !h.Disabled
	default:
		h.read(live, active, failed)
	}
	return h
}

// read judges what a sync read.
func (h *Health) read(live *autoscalingv2.HorizontalPodAutoscaler, active *autoscalingv2.HorizontalPodAutoscalerCondition, failed bool) {
	lost := missing(live)
	none := len(lost) == len(live.Spec.Metrics)
	switch {
	case failed && len(lost) == 0: // read, and good for nothing
		lost, none = names(live.Spec.Metrics), true
		fallthrough
	case failed:
		h.State, h.Missing, h.None = Bad, lost, none
		h.Text, h.Since = hpa.Readable(active.Message), active.LastTransitionTime.Time
		h.Blank = len(live.Status.CurrentMetrics) == 0
	case none:
		h.Text, h.Blank = "the HPA's last sync read no metric", true
	case len(lost) > 0:
		h.State, h.Missing, h.Text = Bad, lost, "the HPA could not read "+strings.Join(lost, ", ")
	default:
		h.State = Good
	}
}

// Condition returns a condition of an HPA, nil if it has none of the type.
func Condition(h *autoscalingv2.HorizontalPodAutoscaler, of autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range h.Status.Conditions {
		if h.Status.Conditions[i].Type == of {
			return &h.Status.Conditions[i]
		}
	}
	return nil
}

// Size is the size of its target as an HPA read it in its last sync; nil where it could
// not or has not looked yet, when its status says 0 or what once was.
func Size(live *autoscalingv2.HorizontalPodAutoscaler) *int32 {
	if able := Condition(live, autoscalingv2.AbleToScale); able == nil || able.Reason == "FailedGetScale" {
		return nil
	}
	size := live.Status.CurrentReplicas
	return &size
}

// aboutMetrics says whether a reason for ScalingActive=False is that metrics cannot be
// read. The others are about the target's selector.
func aboutMetrics(reason string) bool {
	return strings.HasPrefix(reason, "FailedGet") || strings.HasPrefix(reason, "FailedCompute") || strings.HasPrefix(reason, "InvalidMetric")
}

// missing names the metrics of the spec without an entry that was read.
func missing(live *autoscalingv2.HorizontalPodAutoscaler) []string {
	var found []string
	for _, m := range live.Spec.Metrics {
		if Current(live, m) == nil {
			found = append(found, Name(m))
		}
	}
	return found
}

func names(metrics []autoscalingv2.MetricSpec) []string {
	all := make([]string, 0, len(metrics))
	for _, m := range metrics {
		all = append(all, Name(m))
	}
	return all
}

// Current returns what the HPA read of a metric last, nil if it read nothing. Entries
// are told by what they are of: their order is the spec's, of whatever spec was synced.
func Current(live *autoscalingv2.HorizontalPodAutoscaler, m autoscalingv2.MetricSpec) *autoscalingv2.MetricValueStatus {
	for i := range live.Status.CurrentMetrics {
		if v := valueOf(m, &live.Status.CurrentMetrics[i]); v != nil {
			return v
		}
	}
	return nil
}

// valueOf returns the value of c if it is one of m.
func valueOf(m autoscalingv2.MetricSpec, c *autoscalingv2.MetricStatus) *autoscalingv2.MetricValueStatus {
	same := equality.Semantic.DeepEqual
	switch {
	case c.Type != m.Type:
	case m.Pods != nil && c.Pods != nil && same(m.Pods.Metric, c.Pods.Metric):
		return &c.Pods.Current
	case m.Object != nil && c.Object != nil && same(m.Object.Metric, c.Object.Metric) && m.Object.DescribedObject == c.Object.DescribedObject:
		return &c.Object.Current
	case m.External != nil && c.External != nil && same(m.External.Metric, c.External.Metric):
		return &c.External.Current
	case m.Resource != nil && c.Resource != nil && m.Resource.Name == c.Resource.Name:
		return &c.Resource.Current
	case m.ContainerResource != nil && c.ContainerResource != nil &&
		m.ContainerResource.Name == c.ContainerResource.Name && m.ContainerResource.Container == c.ContainerResource.Container:
		return &c.ContainerResource.Current
	}
	return nil
}

// maxSelector is how many bytes of a selector are in a metric's name. One may have
// thousands of values, and the names are put in messages that have a limit.
const maxSelector = 100

// Name is what people call a metric: of a long selector only how it begins.
func Name(m autoscalingv2.MetricSpec) string {
	switch {
	case m.Pods != nil:
		return named(m.Pods.Metric)
	case m.Object != nil:
		return fmt.Sprintf("%s of %s %s", named(m.Object.Metric), m.Object.DescribedObject.Kind, m.Object.DescribedObject.Name)
	case m.External != nil:
		return named(m.External.Metric)
	case m.Resource != nil:
		return string(m.Resource.Name)
	case m.ContainerResource != nil:
		return fmt.Sprintf("%s of container %s", m.ContainerResource.Name, m.ContainerResource.Container)
	}
	return string(m.Type)
}

func named(m autoscalingv2.MetricIdentifier) string {
	if m.Selector == nil {
		return m.Name
	}
	selector := metav1.FormatLabelSelector(m.Selector)
	if len(selector) > maxSelector {
		selector = strings.ToValidUTF8(selector[:maxSelector], "") + "…"
	}
	return m.Name + "{" + selector + "}"
}
