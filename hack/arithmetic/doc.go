// Package arithmetic holds policy/arithmetic against the HPA controller of Kubernetes, over
// random states: a metric's proposal against the controller's ReplicaCalculator, and whole
// syncs, many after each other, against its HorizontalController. It has tests only.
//
// make verify-arithmetic runs them. A failure names its seed, which is run again with
// -run TestName -seed N -count 1; -seeds N says how many are run.
package arithmetic
