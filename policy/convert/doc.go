// Package convert makes AutoscalingPolicies of what people have: the flags of kubectl
// autoscale and some more, and HorizontalPodAutoscalers of autoscaling/v1 and v2. It is
// pure.
//
// A policy that it returns is sound by hpa.Check; where one cannot be made there is
// none, and an Error names the flag or the field that is in the way. Nothing is left
// out without a word.
package convert
