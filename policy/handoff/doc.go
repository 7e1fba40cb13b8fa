// Package handoff decides, purely, how the pods of one workload take over from those of
// another: blue/green behind a Service, and a ReplicationController or ReplicaSet in the
// place of the last one.
//
// All state is in the policy's status. A phase is stored before anything is done in it,
// and each step looks first whether it is done already: whoever takes over goes on from
// what it finds.
package handoff
