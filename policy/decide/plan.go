package decide

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/handoff"
)

// Plan is what to do. Its parts are carried out in the order of the fields, and each
// only if those before it succeeded:
//
//  1. Intent is written to the status, where it is not nil: what a floor is held for
//     is stored before the HPA follows, so that no minimum is ever without a reason.
//  2. Action is carried out, where it is not nil.
//  3. Handoff is carried out, where it is not nil. What it is for is in the status already.
//  4. Status is written, where Changed.
//  5. Events are sent.
//
// A plan that is empty but for Next is a policy at rest.
type Plan struct {
	Intent *v1alpha1.AutoscalingPolicyStatus
	Action *Action
	// Handoff is a write to what the HPA does not scale: a Service, or another workload.
	Handoff *handoff.Action
	// Status is the policy's after the action. It says nothing where there is no policy.
	Status v1alpha1.AutoscalingPolicyStatus
	// Changed: Status differs from what is stored by more than values that may wait.
	Changed bool
	// ValuesOnly: what changed are values and words, and their minute has passed.
	ValuesOnly bool
	Events     []Event
	// Next is how long until to look again even if nothing changes; 0 if no time does.
	Next         time.Duration
	Observations Observations
}

// Kind is what an action does.
type Kind string

// The kinds of actions. All are guarded by the resourceVersion of the HPA that was
// read, except a creation; a 409 about it means to read again.
const (
	// Apply applies HPA server-side: it is the full set of our fields, metadata included.
	// It takes them over from other managers, except where it makes the HPA.
	Apply Kind = "Apply"
	// DryRun is Apply with dryRun=All: it stores nothing. A refusal is handed back in
	// Snapshot.Refused, and the answer otherwise forgotten.
	DryRun Kind = "DryRun"
	// RemoveFields takes away the fields at Paths, which others have put on our HPA.
	RemoveFields Kind = "RemoveFields"
	// Disown updates the HPA to what HPA says, and takes away our entries of managedFields
	// in the same write.
	Disown Kind = "Disown"
	// DeleteLoser deletes the HPA as it was read, by its UID, too.
	DeleteLoser Kind = "DeleteLoser"
)

// Action is one write to one HPA.
type Action struct {
	Kind Kind
	// HPA is what to write (Apply, DryRun, Disown) or the one as it was read.
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// ResourceVersion that the HPA must still have; empty for one that must not exist.
	ResourceVersion string
	// Paths to remove, as JSON pointers.
	Paths []string
	// Retargets: the write takes the policy's target for its HPA, so it needs the claim.
	Retargets bool
	// Why, for the log.
	Why string
}

// Event is one to be sent about the policy.
type Event struct {
	Warning bool
	// Reason is one word of the list in event.go.
	Reason  string
	Message string
}

// Observations are what the metrics of our own show about a policy.
type Observations struct {
	State string
	// Floors counts those in force by kind of owner: schedule, fallback, rollout, switch,
	// outage, unknown, release.
	Floors map[string]int
	// Since is when the oldest of them began, by kind of owner; of a release, its last step.
	Since map[string]time.Time
	// Drifted: the HPA is not what the policy says, its minimum aside, which floors move, and
	// stays so for now.
	Drifted bool
	// Values by objective, where the HPA reads them.
	Values []Value
}

// Value is an objective's current value and its target, in the metric's unit.
type Value struct {
	Objective       string
	Current, Target float64
}
