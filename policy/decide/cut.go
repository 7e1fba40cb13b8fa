package decide

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// A size above the maximum is cut down to it in one sync, whatever the metrics ask for and
// however the behavior paces. What its owner lowers is lowered at once, and said; what we
// give back goes in steps.

// cut says how many pods a lower maximum takes away at once; empty if none.
func (d *decision) cut() string {
	if d.Live == nil || d.want.Spec.MaxReplicas >= d.Live.Spec.MaxReplicas {
		return ""
	}
	if size := sizeBy(d.Live); floor.Size(d.Live) != nil && size > d.want.Spec.MaxReplicas {
		return fmt.Sprintf("cuts %d pods to %d at once, whatever the metrics ask for", size, d.want.Spec.MaxReplicas)
	}
	return ""
}

// sizeBy is what the target has by its HPA: what that read in its last sync or, where it has
// scaled out just then, what it has made of it. It reads that with the next one only.
func sizeBy(live *autoscalingv2.HorizontalPodAutoscaler) int32 {
	return max(live.Status.CurrentReplicas, live.Status.DesiredReplicas)
}

// cutting is the next step of an HPA whose maximum is to be free's again, while the target
// has more pods than that; nil where it has not, or where the last step is due. It keeps the
// pace of the spec that it still has.
func cutting(live *autoscalingv2.HorizontalPodAutoscaler, done Move, was *steps, now time.Time) *Move {
	goal, size := done.HPA.Spec.MaxReplicas, min(sizeBy(live), live.Spec.MaxReplicas)
	if size <= goal || noTargetOf(live) {
		return nil
	}
	thawed := hpa.Thaw(live, nil)
	next, every := hpa.Step(size, scaleDown(thawed))
	if every == 0 {
		return nil // the HPA is not to scale in at all, so there is no pace to keep
	}
	m := &Move{Min: minOf(live), Goal: done.Goal, Next: every, Begins: was == nil, Why: fmt.Sprintf(
		"max %d goes to %d first, step by step as its scaleDown behavior allows, for the target has %d pods. To be done with it at once, set maxReplicas %d",
		live.Spec.MaxReplicas, goal, size, goal)}
	if was != nil {
		if rest := was.LastStep.Add(every).Sub(now); rest > 0 && rest <= every {
			m.Next = rest
			return m
		}
	}
	if next <= goal {
		return nil
	}
	m.HPA = onItsWay(live, thawed, &steps{Min: minOf(live), LastStep: metav1.NewTime(now)})
	m.HPA.Spec.MaxReplicas = next
	return m
}
