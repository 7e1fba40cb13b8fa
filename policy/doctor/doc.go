// Package doctor says, purely, whether a cluster has what HorizontalPodAutoscalers need: an
// aggregation layer, metrics APIs that are registered and answer, rights of the HPA
// controller, clocks that agree, HPAs that ask for what somebody serves.
//
// Check looks at a Snapshot, which whoever talks to a cluster fills in; what could not be
// read is in it with the reason. A check that needs that is unknown, and never passed. The
// IDs of checks never change.
package doctor
