// Package migrate says, purely, what becomes of what people have when they come to Loadline:
// of a configuration of prometheus-adapter, rule by rule (ReadConfig), and of a
// HorizontalPodAutoscaler that a policy is to take the place of (NewHPA). What cannot be
// carried over is named, and nothing is applied.
package migrate
