// Package scrape has Prometheus' scrape loops scrape targets, within limits that make a
// target that misbehaves its own problem only: a time-out, and limits of the body, the
// samples and the labels.
//
// The labels namespace, pod and node of a series are those of its target, whatever it
// exports. The clock is ours as well: a timestamp that a target exports is not heeded, for
// one from the future would keep the samples of all others out.
//
// Nothing is sent but the request: no credentials, not by way of a proxy, and to no other
// address than that of the target. A redirect is a failure.
package scrape
