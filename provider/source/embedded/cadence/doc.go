// Package cadence says when what was scraped is evaluated: once an interval for each
// namespace, after that scrape of its pods which is followed by the longest pause.
//
// A value is as old as its scrape, plus what passes until it is evaluated. One pod's metric
// is evaluated right after its scrape, however its moment lies. Of pods that are scraped one
// after the other no moment is right for all; the one before the longest pause is the best
// for the pod that waits longest, and no pod waits longer than an interval. So what changes
// is in an answer after two intervals at most, and after one on average, or after half of one
// where pods are few.
//
// It is pure: times are arguments, and the same calls give the same answers.
package cadence
