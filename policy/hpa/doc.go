// Package hpa makes the HorizontalPodAutoscaler of an AutoscalingPolicy, purely.
//
// What Kubernetes does by default or refuses is quoted in the comments from its
// sources, version 1.37.2, by path:
//
//	defaults.go    pkg/apis/autoscaling/v2/defaults.go
//	validation.go  pkg/apis/autoscaling/validation/validation.go
//	strategy.go    pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go
//	horizontal.go  pkg/controller/podautoscaler/horizontal.go
package hpa
