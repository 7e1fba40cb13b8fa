package handoff

import (
	"fmt"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Predecessor is a ReplicationController or ReplicaSet whose place another one has taken.
type Predecessor struct {
	Workload
	// Successor is the one in its place.
	Successor Workload
	// HPA scales it, though it should be nobody's; empty if none does.
	HPA string
	// Failed is why it may not be scaled; empty if it may.
	Failed string
	// Service selects its pods, and not the successor's; empty if none does.
	Service string
}

// Replaceable says whether a target can be the predecessor of another one: of other kinds
// the pods are replaced within one object.
func Replaceable(t v1alpha1.TargetReference) bool {
	return t.Kind == "ReplicationController" || t.Kind == "ReplicaSet"
}

// Retire scales the predecessor to 0, once the one in its place serves without it. It
// returns what to do, or why it is not done; neither if there is nothing to do.
func (p *Predecessor) Retire(successor v1alpha1.TargetReference) (*Action, string) {
	switch {
	case !p.Found || p.Size == 0:
		return nil, ""
	case p.Failed != "":
		return nil, p.Failed
	case p.HPA != "":
		return nil, fmt.Sprintf("the HPA %s scales the %s %s: delete it", p.HPA, p.Ref.Kind, p.Ref.Name)
	case p.Service != "":
		return nil, fmt.Sprintf("the Service %s selects the pods of %s, and not those of %s: give these its labels, or move it", p.Service, p.Ref.Name, successor.Name)
	case p.Selector.Matches(set(p.Successor.Labels)) || p.Successor.Selector.Matches(set(p.Labels)):
		return nil, fmt.Sprintf("the selectors of %s and %s overlap, so that each counts the other's pods as its own: scale %s by hand", p.Ref.Name, successor.Name, p.Ref.Name)
	}
	return &Action{Kind: Scale, Target: p.Ref, From: p.Size, Replicas: 0, Why: "another one has taken its place"}, ""
}

// Gone says whether it has no pods that anybody wants any more.
func (p *Predecessor) Gone() bool { return p != nil && (!p.Found || p.Size == 0) }
