// Package load drives real HTTP load at the pods behind a Service.
//
// Endpoints chooses pods as kube-proxy would, Driver sends requests to them
// at a rate that can be changed while it runs. The rate is open loop: a
// request is sent when its time has come, whether or not earlier ones have
// been answered, because users do not wait for each other either. What the
// limit of concurrency keeps from being sent is counted, not hidden.
package load
