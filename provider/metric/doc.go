// Package metric is the vocabulary that the metrics path shares: what a reader
// can ask for, what a value is, and the ways in which there is no value.
//
// It does no I/O and depends on nothing of ours.
package metric
