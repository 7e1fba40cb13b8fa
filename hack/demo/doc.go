// Package demo shows the whole system at work: it drives load up and down on
// Remind Me in a lab, takes a metric away and adds a schedule, watches what the
// AutoscalingPolicies and their HorizontalPodAutoscalers make of it, and shows that
// live.
//
// What is seen becomes a history of Observations. Everything that is shown or
// decided is a pure function of the history: when the next phase begins
// (Script.Next), what happened (Tell), the frame (Frame), and the outcome
// (Summarize, Rises). Run does the acting.
package demo
