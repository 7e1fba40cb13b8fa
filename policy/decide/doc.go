// Package decide decides, purely, what to do about one AutoscalingPolicy: from a
// snapshot of what is there to at most one write of its HPA, the status, the Events and
// the time of the next look. It reads no clock and calls nobody, and all that it
// remembers is in the policy's status and on the HPA, so whoever decides next goes on.
//
// Each question is a function of its own that answers with a finding; decide.go only
// puts them in order. The first that has something to say decides:
//
//	ours.go     whose is the HPA, and may it be taken over?
//	rival.go    who else scales the target?
//	valid.go    can there be an HPA of this policy, here?
//	dryrun.go   what would be done?
//	zero.go     is this a moment to write?
//	fight.go    who keeps undoing it?
//
// Three rules hold whatever the answers are. The status says why a minimum is going to
// be raised before it is (Plan.Intent). A floor that ends, for whatever reason, comes
// down in the steps of package floor. And what is decided from an unchanged snapshot
// writes nothing.
package decide
