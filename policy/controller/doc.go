// Package controller is loadline-policy: it watches AutoscalingPolicies and the
// HPAs that are made of them, asks policy/decide what to do, and does that.
//
// What is to be done is decided in policy/decide, without I/O. Here it is gathered
// what the decision needs (gather.go) and done what it says (execute.go).
package controller
