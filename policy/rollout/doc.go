// Package rollout reads, purely, from a workload how far the replacement of its pods by
// those of a new revision is. What follows from that for scaling is package floor's.
package rollout
