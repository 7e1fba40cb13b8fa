// Package arithmetic computes, purely, what the HPA controller computes in one sync: a
// proposal for each metric, the choice among them, and what bounds, stabilisation and rate
// limits make of it; each step with what went in and what came out.
//
// It is the controller's arithmetic to the last unit, oddities included: it explains what an
// HPA does, and not what it should do. hack/arithmetic holds it against the controller itself.
// What is quoted in the comments is of Kubernetes 1.37.2, by path:
//
//	horizontal.go          pkg/controller/podautoscaler/horizontal.go
//	replica_calculator.go  pkg/controller/podautoscaler/replica_calculator.go
//	client.go              pkg/controller/podautoscaler/metrics/client.go
//	utilization.go         pkg/controller/podautoscaler/metrics/utilization.go
//	helpers.go             k8s.io/component-helpers/resource/helpers.go
//
// The controller also remembers what it recommended and by how much it scaled, and tells
// nobody. Without that Memory the results are Ranges that are certain, which the HPA's status
// narrows, and a Step says what could not be observed.
//
// A number of replicas that no int32 has room for is what the machine makes of it, as in the
// controller: another architecture may differ there.
package arithmetic
