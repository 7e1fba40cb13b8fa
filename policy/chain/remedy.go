package chain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/floor"
)

// settling is how long an HPA may be without conditions: four syncs of the controller.
const settling = time.Minute

// broken is why a metric proposes nothing, and what to do; nil if it does, or is not looked
// at. p is nil where nothing was computed.
func (in *Input) broken(m autoscalingv2.MetricSpec, a *Answer, p *arithmetic.Proposal) *Break {
	switch {
	case a.Broken != nil:
		b := *a.Broken
		b.At = of(m)
		b.Remedy += capitals(m)
		return &b
	case a.Reading.Err != nil:
		return &Break{of(m), a.Reading.Err.Error(), nothingRead(m.Type) + capitals(m)}
	case p != nil && p.Failure != nil:
		return &Break{of(m), p.Failure.Message, in.remedy(m, a, p)}
	}
	return nil
}

// capitals says that an external metric is asked for by another name than the HPA has, which the
// client of the controller writes in lower case; empty for one whose name is.
func capitals(m autoscalingv2.MetricSpec) string {
	if m.External == nil || strings.ToLower(m.External.Metric.Name) == m.External.Metric.Name {
		return ""
	}
	name := m.External.Metric.Name
	return fmt.Sprintf(". The HPA writes %s, but its controller asks for %s: it is by this name that a rule has to give it", name, strings.ToLower(name))
}

// remedy is what to do about a metric that was answered and proposes nothing all the same.
func (in *Input) remedy(m autoscalingv2.MetricSpec, a *Answer, p *arithmetic.Proposal) string {
	ready := func(pod arithmetic.Pod) bool { return pod.Role == arithmetic.Ready || pod.Role == arithmetic.Stray }
	switch {
	case a.Asked == "":
		return "correct the metric in the HPA: kubectl explain hpa.spec.metrics has its fields"
	case len(in.Pods) == 0:
		return "find out why the target has no pod: kubectl describe it"
	case a.empty():
		return nothingRead(m.Type)
	case len(p.Pods) > 0 && !slices.ContainsFunc(p.Pods, ready):
		return "a pod counts once it runs and has a sample, for CPU once it was ready, too: the list of pods says what each lacks"
	case p.TargetType == autoscalingv2.UtilizationMetricType:
		return fmt.Sprintf("give each container of the pods that counts a request of %s above 0 and roll that out, or aim at an averageValue", p.Resource)
	}
	return "correct the metric in the HPA: kubectl explain hpa.spec.metrics has its fields"
}

// nothingRead is what to do about an empty answer.
func nothingRead(t autoscalingv2.MetricSourceType) string {
	switch t {
	case autoscalingv2.ResourceMetricSourceType, autoscalingv2.ContainerResourceMetricSourceType:
		return "see whether who serves metrics.k8s.io knows the pods: kubectl top pods"
	case autoscalingv2.PodsMetricSourceType:
		return "see whether the pods export the metric, whether that is scraped, and whether a rule of the adapter makes a metric of this name for pods of it"
	case autoscalingv2.ObjectMetricSourceType:
		return "see whether the object is there, and whether a rule of the adapter makes a metric of this name for its kind"
	}
	return "see whether there are series that the selector of the metric finds. Nothing is not zero: a queue that is empty has to say 0"
}

// standstill is why an HPA does nothing, whatever its metrics are; nil for no such reason.
func standstill(f *arithmetic.Failure, target string) *Break {
	if f == nil || remedyOf(f.Reason, target) == "" {
		return nil
	}
	return &Break{"target", f.Message, remedyOf(f.Reason, target)}
}

// remedyOf is what to do about a reason of the controller; empty for one that is about
// metrics, or about nothing.
func remedyOf(reason, target string) string {
	switch reason {
	case arithmetic.ScalingDisabled:
		return "bring it to 1 or more for the HPA to take over: kubectl scale " + target + " --replicas=1"
	case arithmetic.InvalidSelector:
		return "the target's kind has to have a selector in the status of its scale: labelSelectorPath in its CustomResourceDefinition, and a controller that fills it"
	case arithmetic.AmbiguousSelector:
		return "narrow the selectors until each pod is of the target of one HPA, or delete the HPA that is too many"
	case "FailedGetScale":
		return "see that the target is there, and that its kind has a scale that the HPA controller may get: kubectl get " + target
	case "FailedUpdateScale":
		return "see who refuses the write, which the message says: an admission webhook, or rights that the HPA controller lacks"
	}
	return ""
}

// complaint is what the HPA controller complained about in its last sync, or that there was
// none; nil for nothing.
func complaint(h *autoscalingv2.HorizontalPodAutoscaler, target string, now time.Time) *Break {
	if len(h.Status.Conditions) == 0 {
		if now.Sub(h.CreationTimestamp.Time) < settling {
			return nil
		}
		return &Break{"HPA", "the HPA controller has not looked at it", "see whether kube-controller-manager runs, and what it logs about this HPA"}
	}
	for _, of := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive} {
		c := floor.Condition(h, of)
		if c == nil || c.Status != corev1.ConditionFalse {
			continue
		}
		b := &Break{"HPA", "the HPA controller's last sync: " + c.Message, remedyOf(c.Reason, target)}
		if b.Remedy == "" {
			b.Remedy = "what was read now is whole: see whether the condition is gone after the next sync, in 15 s. If it stays, the controller lacks a right or a way that you have"
		}
		return b
	}
	return nil
}
