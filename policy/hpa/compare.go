package hpa

import autoscalingv2 "k8s.io/api/autoscaling/v2"

// Differences compares an HPA as it is to what it is meant to be.
//
// Ours are the fields of want, in spec and metadata, that live has otherwise or not at
// all; to apply want mends them. Foreign are fields of live's spec that want does not
// have: somebody else added them, and applying want leaves them there. Both are paths
// such as spec.behavior.scaleDown.tolerance. What a server fills in counts as
// equal to what is left out, and 0.5 to 500m.
func Differences(want, live *autoscalingv2.HorizontalPodAutoscaler) (ours, foreign []string) {
	return nil, nil
}
