package arithmetic

import (
	"errors"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/floor"
)

// Reasons of a Failure: what the controller puts in ScalingActive=False (horizontal.go).
const (
	FailedGetObjectMetric            = "FailedGetObjectMetric"
	FailedGetPodsMetric              = "FailedGetPodsMetric"
	FailedGetResourceMetric          = "FailedGetResourceMetric"
	FailedGetContainerResourceMetric = "FailedGetContainerResourceMetric"
	FailedGetExternalMetric          = "FailedGetExternalMetric"
	InvalidMetricSourceType          = "InvalidMetricSourceType"
	InvalidSelector                  = "InvalidSelector"
	AmbiguousSelector                = "AmbiguousSelector"
	ScalingDisabled                  = "ScalingDisabled"
)

// Failure is why there is no number.
type Failure struct {
	// Reason is the controller's.
	Reason string
	// Message is for people, in our words.
	Message string
}

// Hold is why a metric asks for the size that there is.
type Hold string

// The holds.
const (
	// WithinTolerance: the ratio is near enough to 1.
	WithinTolerance Hold = "WithinTolerance"
	// TurnedRound: what was assumed of pods without a usable sample turns the direction.
	TurnedRound Hold = "TurnedRound"
	// OtherWay: the ratio times the pods counted leads the other way than the ratio, as pods
	// are more or fewer than the replicas.
	OtherWay Hold = "OtherWay"
)

// Proposal is what one metric asks for.
type Proposal struct {
	// Name of the metric, for people.
	Name string
	// Type of the metric.
	Type autoscalingv2.MetricSourceType
	// Resource is what a metric of a resource is of; empty for the others.
	Resource corev1.ResourceName
	// Failure is why it asks for nothing; nil if it asks for Replicas.
	Failure  *Failure
	Replicas int32

	// Target is what a pod, or all of them, shall use: in percent of the requests for
	// Utilization, in thousandths of the unit for the rest.
	Target     int64
	TargetType autoscalingv2.MetricTargetType
	// Usage is what is used, in thousandths: of all for a Value, on average over the pods
	// that count for the rest. Nil where there is no pod to divide by.
	Usage *int64
	// Total is what Usage is the average of, for an object or an external metric with an
	// AverageValue; nil for the rest.
	Total *int64
	// Utilization is Usage in whole percent of the requests, for that type.
	Utilization *int32

	// Ratio is usage by target. Assumed is the ratio with what is assumed of pods without a
	// usable sample; nil where nothing is assumed.
	Ratio   float64
	Assumed *float64
	// Tolerances of the ratio, in use for this HPA.
	Tolerances Tolerances
	// Times is how many pods the ratio is multiplied by; 0 where it is not.
	Times int
	// Held is why Replicas is the size that there is; empty if the formula gave it.
	Held Hold
	// Pods are those that count for it and those that do not, by name; none where no pod
	// counts.
	Pods []Pod
}

// Tolerances are how far a ratio may be off 1 without any effect: 0.1 is 10 %.
type Tolerances struct{ Down, Up float64 }

// near says whether r is within the tolerances (isWithin in replica_calculator.go). It is
// false of NaN.
func (t Tolerances) near(r float64) bool {
	return (1.0-t.Down) <= r && r <= (1.0+t.Up)
}

// tolerances are the controller's, or those of the HPA's behavior (tolerancesForHpa in
// horizontal.go).
func (s *State) tolerances() Tolerances {
	t := Tolerances{s.Settings.Tolerance, s.Settings.Tolerance}
	b := s.HPA.Spec.Behavior
	if b == nil {
		return t
	}
	if b.ScaleDown != nil && b.ScaleDown.Tolerance != nil {
		t.Down = b.ScaleDown.Tolerance.AsApproximateFloat64()
	}
	if b.ScaleUp != nil && b.ScaleUp.Tolerance != nil {
		t.Up = b.ScaleUp.Tolerance.AsApproximateFloat64()
	}
	return t
}

// Propose computes what the i-th metric of the HPA asks for (computeReplicasForMetric in
// horizontal.go).
func Propose(s *State, i int) Proposal {
	m := s.HPA.Spec.Metrics[i]
	r := Reading{Err: errors.New("it was not read")}
	if i < len(s.Readings) {
		r = s.Readings[i]
	}
	c := calculation{s: s, read: r, Proposal: Proposal{Name: floor.Name(m), Type: m.Type, Tolerances: s.tolerances()}}
	switch {
	case m.Type == autoscalingv2.ResourceMetricSourceType && m.Resource != nil:
		c.reason = FailedGetResourceMetric
		c.resource(m.Resource.Target, m.Resource.Name, "")
	case m.Type == autoscalingv2.ContainerResourceMetricSourceType && m.ContainerResource != nil:
		c.reason = FailedGetContainerResourceMetric
		c.resource(m.ContainerResource.Target, m.ContainerResource.Name, m.ContainerResource.Container)
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		c.reason = FailedGetPodsMetric
		c.ofPods(m.Pods)
	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		c.reason = FailedGetObjectMetric
		c.object(m.Object)
	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		c.reason = FailedGetExternalMetric
		c.external(m.External)
	default:
		c.reason = InvalidMetricSourceType
		c.fail("the metric has no source of its type")
	}
	return c.Proposal
}

// calculation makes a Proposal.
type calculation struct {
	Proposal
	s      *State
	read   Reading
	reason string
}

func (c *calculation) fail(message string) {
	c.Failure = &Failure{c.reason, message}
}

// failed takes over why a metric has no values.
func (c *calculation) failed() bool {
	if c.read.Err != nil {
		c.fail(c.read.Err.Error())
	}
	return c.read.Err != nil
}

// selects checks the selector of a metric, by which the controller asks for it.
func (c *calculation) selects(m autoscalingv2.MetricIdentifier) bool {
	_, err := metav1.LabelSelectorAsSelector(m.Selector)
	if err != nil {
		c.fail("its selector is none: " + err.Error())
	}
	return err == nil
}

func (c *calculation) toward(of autoscalingv2.MetricTargetType, target int64) {
	c.TargetType, c.Target = of, target
}

// hold asks for the size that there is.
func (c *calculation) hold(why Hold, size int32) {
	c.Held, c.Replicas = why, size
}

// times multiplies a ratio by pods.
func (c *calculation) times(ratio float64, pods int) int32 {
	c.Times = pods
	return int32(math.Ceil(ratio * float64(pods)))
}

// resource is computeStatusForResourceMetricGeneric in horizontal.go: an average value goes
// before a utilization.
func (c *calculation) resource(t autoscalingv2.MetricTarget, name corev1.ResourceName, container string) {
	c.Resource = name
	switch {
	case t.AverageValue != nil:
		c.toward(autoscalingv2.AverageValueMetricType, t.AverageValue.MilliValue())
		c.average(name)
	case t.AverageUtilization != nil:
		c.toward(autoscalingv2.UtilizationMetricType, int64(*t.AverageUtilization))
		c.utilization(name, container)
	default:
		c.fail("it has no target: neither averageUtilization nor averageValue")
	}
}

func (c *calculation) ofPods(m *autoscalingv2.PodsMetricSource) {
	if m.Target.AverageValue == nil {
		c.fail("it has no target: no averageValue") // the API server takes no such HPA
		return
	}
	c.toward(autoscalingv2.AverageValueMetricType, m.Target.AverageValue.MilliValue())
	if c.selects(m.Metric) {
		c.average("")
	}
}
