// Package target decides what is scraped: of the pods of a cluster those that are wanted, and
// of these the ports that say they have metrics. What is refused is refused with a reason
// that a person can act upon.
//
// It is pure: pods, endpoints and what is wanted in, targets and refusals out.
//
// Pods and their annotations are written by tenants, and so are EndpointSlices. So an
// address is always that which the pod's status has, never one that somebody names, and
// what must not be reached from here (see Fence) is refused here and once more by whoever
// dials.
package target
