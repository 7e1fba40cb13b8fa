package decide

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// judge says how the metrics of an HPA are, and which HPA to go by. Where all that is
// missing are queries of a policy that is gone, that is one which says nothing: nobody
// serves them again, so to wait for them would never end.
func (in Letting) judge(live *autoscalingv2.HorizontalPodAutoscaler) (floor.Health, *autoscalingv2.HorizontalPodAutoscaler) {
	h := floor.Judge(live)
	queries := hpa.OfQueries(live.Spec.Metrics)
	if !in.Gone || h.State != floor.Bad || slices.ContainsFunc(h.Missing, func(name string) bool { return !slices.Contains(queries, name) }) {
		return h, live
	}
	silent := live.DeepCopy()
	silent.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
	return floor.Health{State: floor.Unknown, Missing: h.Missing, Text: strings.Join(h.Missing, ", ") + " went with the policy, and nobody reads it again"}, silent
}

// Dying says what becomes of an HPA whose metrics are queries of its policy when that is
// taken out of the cluster; empty where it has none.
func Dying(spec autoscalingv2.HorizontalPodAutoscalerSpec) string {
	queries := hpa.OfQueries(spec.Metrics)
	if len(queries) == 0 {
		return ""
	}
	then, remedy := "the HPA only scales out", "take that out or put another in its place"
	if len(queries) == len(spec.Metrics) {
		then, remedy = "the HPA keeps its size", "give it another metric"
	}
	return fmt.Sprintf("%s is served only while the policy is in the cluster: without it %s, so %s", strings.Join(queries, ", "), then, remedy)
}
