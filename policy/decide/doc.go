// Package decide decides, purely, what to do about one AutoscalingPolicy: from a
// snapshot of what is there to the writes, the status, the Events and the time of the
// next look. It reads no clock and calls nobody.
//
// Each question is a function of its own; decide.go only puts them in order.
package decide
