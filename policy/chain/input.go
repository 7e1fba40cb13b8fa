package chain

import (
	"cmp"
	"errors"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/arithmetic"
)

// Input is what was read of a cluster about one HPA. Nothing in it is changed.
type Input struct {
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// Policy is what the HPA was made from; nil for an HPA that is of none.
	Policy *v1alpha1.AutoscalingPolicy
	// Scale is the scale subresource of the HPA's target; nil if it could not be read.
	Scale *autoscalingv1.Scale
	// Pods are those that the selector of Scale finds. PodsUnread: they could not be read,
	// so that nothing can be computed.
	Pods       []corev1.Pod
	PodsUnread bool
	// Answers are those of the metrics APIs, in the order of the HPA's spec.metrics.
	Answers []Answer
	// Rivals are other HPAs ("namespace/name") of the same pods.
	Rivals []string
	// Broken is what could not be read, metrics apart.
	Broken []Break
	// Undiagnosed is why what is behind the answers is known of none; nil if it is of one, or
	// if nobody but the metrics APIs knows. Its place is empty.
	Undiagnosed *Break
	// Settings are those of kube-controller-manager, as far as they are known.
	Settings arithmetic.Settings
	// Now is when all this was read.
	Now time.Time
}

// Answer is what a metrics API answered to what the controller asks for one metric.
type Answer struct {
	// Asked is the path that was asked for, with its query; empty if nothing was.
	Asked string
	// Reading is the answer as the controller reads it. It is empty where Broken is not.
	Reading arithmetic.Reading
	// Series are the values of an object or of an external metric, with what Reading does
	// not have of them.
	Series []Sample
	// Broken is why there is no answer; nil if there is one.
	Broken *Break
	// Diagnosis is what the adapter says of it; nil if it says nothing.
	Diagnosis *Diagnosis
	// Undiagnosed is why that is not known where it is of another answer; nil if it is, or if
	// nobody but the metrics API knows. Its place is empty.
	Undiagnosed *Break
}

// Sample is one value of an object or of an external metric.
type Sample struct {
	// Labels are those of the series of an external metric; none for an object.
	Labels map[string]string
	// Milli is the value in thousandths of its unit.
	Milli int64
	// Timestamp is when it was measured.
	Timestamp time.Time
}

// Break is a place where the chain from an HPA to its decision is broken.
type Break struct {
	// At is the place: HPA, target, pods, policy, or a metric with its name.
	At string `json:"at"`
	// Reason is why, Remedy what to do, for people.
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// state is what the controller looks at; nil if part of that could not be read.
func (in *Input) state() *arithmetic.State {
	if in.Scale == nil || in.PodsUnread {
		return nil
	}
	s := &arithmetic.State{HPA: in.HPA, Scale: *in.Scale, Pods: in.Pods, Rivals: in.Rivals, Settings: in.Settings, Now: in.Now}
	for i := range in.HPA.Spec.Metrics {
		a := in.answer(i)
		s.Readings = append(s.Readings, a.reading())
	}
	return s
}

// answer is that of a metric, an empty one if there is none.
func (in *Input) answer(i int) Answer {
	if i < len(in.Answers) {
		return in.Answers[i]
	}
	return Answer{}
}

// reading is what the arithmetic is to compute with.
func (a *Answer) reading() arithmetic.Reading {
	if a.Broken != nil {
		return arithmetic.Reading{Err: errors.New(cmp.Or(a.Broken.Reason, "it was not read"))}
	}
	return a.Reading
}

// empty says whether there is no value in an answer.
func (a *Answer) empty() bool { return len(a.Reading.Pods) == 0 && len(a.Reading.Values) == 0 }
