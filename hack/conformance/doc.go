// Package conformance holds what a successor of prometheus-adapter has to answer, as
// data: one file in cases is one case, with a configuration as its users write it, the
// series of a Prometheus, and what is then listed, sent as PromQL, and answered. Each case
// runs against the real adapter, between a real Prometheus that holds these series and a
// small API server that has these objects.
//
// README.md says how a case is written and run.
package conformance
