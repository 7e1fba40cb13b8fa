package chain

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Policy is the AutoscalingPolicy that an HPA was made from.
type Policy struct {
	Name string `json:"name"`
	// Min is its own minimum, without what holds that of the HPA above it.
	Min   int32  `json:"min"`
	State string `json:"state"`
	// Frozen: no metric changes the size of the HPA, as in mode Paused.
	Frozen bool `json:"frozen"`
	// Ready is what its condition of that name says while that is not True; empty otherwise.
	Ready string `json:"ready,omitempty"`
	// Holds are the floors of the minimum.
	Holds []Hold `json:"holds"`
}

// Hold is a floor. Until is absent for what is lowered step by step.
type Hold struct {
	Owner  string       `json:"owner"`
	Value  int32        `json:"value"`
	Reason string       `json:"reason"`
	Until  *metav1.Time `json:"until,omitempty"`
}

func newPolicy(in *Input) *Policy {
	p := in.Policy
	if p == nil {
		return nil
	}
	out := &Policy{
		Name: p.Name, Min: p.Spec.Replicas.Min, State: cmp.Or(p.Status.State, "Pending"), Frozen: hpa.Frozen(in.HPA), Holds: holds(&p.Status),
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Ready); c == nil {
		out.Ready = "loadline-policy has not looked at the policy yet"
	} else if c.Status != metav1.ConditionTrue {
		out.Ready = c.Message
	}
	return out
}

func holds(s *v1alpha1.AutoscalingPolicyStatus) []Hold {
	all := make([]Hold, 0, len(s.Floors)+1)
	for i := range s.Floors {
		f := &s.Floors[i]
		all = append(all, Hold{f.Owner, f.Value, f.Reason, f.Expires.DeepCopy()})
	}
	if s.Release != nil {
		all = append(all, Hold{floor.ReleaseOwner, s.Release.Value, "comes down step by step: " + s.Release.Reason, nil})
	}
	return all
}
