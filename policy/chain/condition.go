package chain

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/arithmetic"
)

// Condition is one of an HPA's, and what it means.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Means is that in our words; empty for a reason that is not the HPA controller's.
	Means string      `json:"means,omitempty"`
	Since metav1.Time `json:"since"`
}

func conditions(h *autoscalingv2.HorizontalPodAutoscaler) []Condition {
	all := make([]Condition, 0, len(h.Status.Conditions))
	for _, c := range h.Status.Conditions {
		all = append(all, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Means: means(c.Reason), Since: c.LastTransitionTime,
		})
	}
	return all
}

// means says what a reason of the HPA controller means (horizontal.go of Kubernetes 1.37.2).
func means(reason string) string {
	switch reason {
	case "SucceededGetScale":
		return "it knows the target's size"
	case "FailedGetScale":
		return "it does not know the target's size, and does nothing"
	case "SucceededRescale":
		return "it changed the size in its last sync"
	case "FailedUpdateScale":
		return "the change of the size was refused"
	case "ReadyForNewScale":
		return "no earlier recommendation held it in its last sync"
	case "ScaleDownStabilized":
		return "a higher recommendation within the window for scaling down holds the size"
	case "ScaleUpStabilized":
		return "a lower recommendation within the window for scaling up holds the size"
	case "ValidMetricFound":
		return "at least one metric could be read"
	case arithmetic.FailedGetResourceMetric, arithmetic.FailedGetContainerResourceMetric, arithmetic.FailedGetPodsMetric,
		arithmetic.FailedGetObjectMetric, arithmetic.FailedGetExternalMetric:
		return "a metric could not be read, and what others ask for, if there are any, would have taken replicas away: nothing is done"
	case arithmetic.InvalidMetricSourceType:
		return "a metric is of no type that the controller knows"
	case arithmetic.InvalidSelector:
		return "the target's scale has no selector that can be read, and so its pods are not known"
	case arithmetic.AmbiguousSelector:
		return "pods of the target are also those of another HPA, and so it does nothing"
	case arithmetic.ScalingDisabled:
		return "the target is at 0, which switches the HPA off"
	case "DesiredWithinRange":
		return "neither bounds nor rates limited it in its last sync"
	case "TooFewReplicas":
		return "the metrics ask for less than the minimum"
	case "TooManyReplicas":
		return "the metrics ask for more than the maximum"
	case "ScaleUpLimit":
		return "it may not add more at once"
	case "ScaleDownLimit":
		return "it may not take more away at once"
	case "ScaledToZero":
		return "it brought the target to 0 itself, and brings it back"
	case "NotScaledToZero":
		return "it did not bring the target to 0"
	}
	return ""
}
