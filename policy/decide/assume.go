package decide

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
)

// differs stands for hpa.Differences until that is there.
func differs(want, live *autoscalingv2.HorizontalPodAutoscaler) bool {
	return live == nil || !equality.Semantic.DeepDerivative(want.Spec, live.Spec)
}
