// Package guard finds, in a snapshot of objects, where a HorizontalPodAutoscaler and
// what it scales come apart: Evaluate(Snapshot) → Report. It decides purely, from
// values; lint, admission and a controller are surfaces over the same findings.
//
// The modes in which they come apart are numbered, and the numbers stay: GUARD-12 is
// replicas-in-manifest for ever. Catalogue has all of them, also those without a check,
// with the reason why there is none yet; docs/reference/guard.md is generated from it.
//
// # How to add a check
//
//  1. A file named after the mode, such as replicas_in_manifest.go, has one function that
//     returns its Mode: the number, the name, the severity, a summary, upstream's reason,
//     the remedy, and the check itself as a function of the world and the result.
//     catalogue.go names the function in place of the line that says why there is no
//     check.
//  2. Needs has the kinds without which the check can say nothing: where one was not
//     gathered it is reported as skipped, and never as passed. Also has those without
//     which it says less; the report then says so. Change is set where only two
//     snapshots show it, Status where only live objects do.
//  3. The check reads the world, in which everything is indexed once: scalers (HPAs, and
//     what counts as one), workloads, who scales whom, whose selector matches which
//     pods. It never loops over all pairs. It calls r.find with the object and the very
//     field, a message about this case, and the other objects that take part; where it
//     cannot tell for one object, r.skip with the reason.
//  4. testdata/NUMBER-NAME.txtar has its cases: CASE/new.yaml are the objects,
//     CASE/old.yaml those before a change, CASE/live.yaml live ones instead, CASE/want
//     the findings, empty for none. go test -update writes the wants: read each. A test
//     asks every check for a case with a finding and one without.
//  5. make update-docs.
//
// What Kubernetes does is quoted from the sources of version 1.37.2, by file and line:
// horizontal.go and replica_calculator.go are in pkg/controller/podautoscaler.
package guard
