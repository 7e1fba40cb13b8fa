package handoff

import "github.com/loadline/loadline/policy/api/v1alpha1"

// Kind is what an action does.
type Kind string

// The kinds of actions.
const (
	// Scale writes the scale of a workload that no HPA scales.
	Scale Kind = "Scale"
	// Flip changes the selector of the Service.
	Flip Kind = "Flip"
)

// Action is one write.
type Action struct {
	Kind Kind
	// Target and Replicas are of Scale. From is the size that it must still have.
	Target         v1alpha1.TargetReference
	From, Replicas int32
	// Service, Selector and ResourceVersion, which it must still have, are of Flip.
	Service         string
	Selector        map[string]string
	ResourceVersion string
	// Why, for the log.
	Why string
}
