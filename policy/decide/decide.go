package decide

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Decide says what to do about the policy of s.
func Decide(s Snapshot) Plan {
	if s.Policy == nil || s.Policy.DeletionTimestamp != nil {
		return Plan{} // garbage collection takes the HPA
	}
	want, bad := hpa.Build(s.Policy, nil, s.Capabilities)
	if hpa.Failed(bad) {
		return Plan{}
	}
	p := Plan{Status: *s.Policy.Status.DeepCopy()}
	p.Status.ObservedGeneration = s.Policy.Generation
	p.Status.EffectiveMin = ptr.To(*want.Spec.MinReplicas)
	p.Status.State = "Enforced"
	p.Status.HPA = &v1alpha1.AppliedHPA{Name: want.Name, Min: ptr.To(*want.Spec.MinReplicas)}
	if s.Live != nil {
		p.Status.HPA.UID = s.Live.UID
	}
	if differs(want, s.Live) {
		p.Action = &Action{Kind: Apply, HPA: want, Force: true, Why: "it is not what the policy says"}
		if s.Live != nil {
			p.Action.ResourceVersion = s.Live.ResourceVersion
		}
	}
	p.Changed = !equality.Semantic.DeepEqual(p.Status, s.Policy.Status)
	return p
}

// NeedsFields says whether the decision about an HPA needs its managedFields: whether
// one that is not ours asks to be adopted, or one of ours to be released.
func NeedsFields(s Snapshot) bool { return false }
