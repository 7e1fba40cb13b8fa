package hpa

import (
	"encoding/json"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// Save writes an HPA's spec down for an annotation.
func Save(spec autoscalingv2.HorizontalPodAutoscalerSpec) (string, error) {
	text, err := json.Marshal(spec)
	return string(text), err
}

// Restore reads what Save wrote.
func Restore(saved string) (autoscalingv2.HorizontalPodAutoscalerSpec, error) {
	var spec autoscalingv2.HorizontalPodAutoscalerSpec
	return spec, json.Unmarshal([]byte(saved), &spec)
}
