package decide

import (
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// rivalEvery is how often is looked at what keeps another policy from its HPA.
const rivalEvery = 5 * time.Minute

// sameTarget compares as the HPA controller does, by group, kind and name.
func sameTarget(a, b autoscalingv2.CrossVersionObjectReference) bool {
	return group(a.APIVersion) == group(b.APIVersion) && a.Kind == b.Kind && a.Name == b.Name
}

// Scales says whether an HPA scales a target, whatever version of its kind it names.
func Scales(h *autoscalingv2.HorizontalPodAutoscaler, t v1alpha1.TargetReference) bool {
	return sameTarget(h.Spec.ScaleTargetRef, crossVersion(t))
}

func group(apiVersion string) string {
	if g, _, ok := strings.Cut(apiVersion, "/"); ok {
		return g
	}
	return ""
}

// occupies says whether the policy's HPA is on the policy's target.
func (d *decision) occupies() bool {
	return ours(d.Snapshot) && sameTarget(d.Live.Spec.ScaleTargetRef, reference(d.Policy))
}

func reference(p *v1alpha1.AutoscalingPolicy) autoscalingv2.CrossVersionObjectReference {
	return crossVersion(p.Scaled())
}

// rival says why the target is somebody else's; nil if it is ours to scale. Whose HPA is
// on the target has it; among policies without, the older one. An HPA that joins where
// ours is already leaves us there, and is reported.
func (d *decision) rival() *finding {
	for i := range d.Rivals {
		f := d.against(&d.Rivals[i])
		switch {
		case f == nil:
		case f.good:
			d.conflict = f
		default:
			return f
		}
	}
	return nil
}

// against compares with one rival. A finding that is good is no reason to stop.
func (d *decision) against(r *Rival) *finding {
	t := d.Policy.Scaled()
	f := &finding{reason: TwoPolicies, state: StateConflict, conflict: true}
	here := d.occupies()
	if r.Elsewhere {
		return d.strayed(r, here)
	}
	switch {
	case r.On.Name != "" && !sameTarget(crossVersion(r.On), reference(d.Policy)):
		if r.HPA == "" {
			return nil
		}
		f.reason, f.good = ForeignHPA, true
		f.message = fmt.Sprintf("the HPA %s scales the %s %s, which takes turns with the %s: delete it, or the HPA of this policy cannot follow the Service there", r.HPA, r.On.Kind, r.On.Name, t.Name)
	case r.Policy == "" && here:
		f.reason, f.good = ForeignHPA, true
		f.message = fmt.Sprintf("the HPA %s scales the %s %s, too, and the two undo each other's work: delete it", r.HPA, t.Kind, t.Name)
	case r.Policy == "":
		f.reason = ForeignHPA
		f.message = fmt.Sprintf("the HPA %s scales the %s %s: delete it, or name the policy %s and annotate the HPA with %s=%s", r.HPA, t.Kind, t.Name, r.HPA, AdoptAnnotation, r.HPA)
	case here && r.HPA == "":
		return nil // it waits for us
	case here && d.older(r):
		f.good = true
		f.message = fmt.Sprintf("the HPA of the younger policy %s is on the %s %s, too, and ", r.Policy, t.Kind, t.Name)
		if r.Idle {
			f.message += "stays there while that policy's mode is not Enforce: delete one of the two policies"
		} else {
			f.message += "gives way: it is deleted by its policy, or by hand if it was adopted"
		}
	case here && d.Live.Annotations[SavedAnnotation] != "":
		f.message = fmt.Sprintf("the HPA of the older policy %s is on the %s %s, too: delete this policy's HPA, which was adopted", r.Policy, t.Kind, t.Name)
	case here:
		f.loses = true
		f.message = fmt.Sprintf("the HPA of the older policy %s is on the %s %s, too: two HPAs undo each other's work, so this policy's is deleted", r.Policy, t.Kind, t.Name)
	case r.HPA == "" && !r.Claimed && (r.Idle || d.older(r)):
		return nil
	case r.HPA == "" && !r.Claimed:
		f.message = fmt.Sprintf("the policy %s, which is older, names the %s %s, too, and comes first, although it has no HPA there yet", r.Policy, t.Kind, t.Name)
		if r.Unready != "" {
			f.message += " (" + clip(r.Unready) + ")"
		}
		f.message += ": mend it, or delete one of the two"
		d.wake(d.now.Add(rivalEvery)) // its status wakes nobody else
	case r.HPA == "":
		f.message = fmt.Sprintf("the policy %s is just taking the %s %s: delete one of the two", r.Policy, t.Kind, t.Name)
	default:
		f.message = fmt.Sprintf("the policy %s scales the %s %s: delete one of the two. To swap two policies' targets, let one have none meanwhile", r.Policy, t.Kind, t.Name)
	}
	return f
}

// strayed is about the HPA of a policy whose spec names another target. It has no claim
// to this one, however old its policy is: nothing of ours gives way to an edit by hand.
func (d *decision) strayed(r *Rival, here bool) *finding {
	on := reference(d.Policy)
	if r.On.Name != "" {
		on = crossVersion(r.On)
	}
	f := &finding{reason: TwoPolicies, state: StateConflict, conflict: true}
	f.message = fmt.Sprintf("the HPA of the policy %s is on the %s %s, too, which that policy does not name: it ", r.Policy, on.Kind, on.Name)
	if r.Idle {
		f.message += "stays there while that policy's mode is not Enforce, and the two undo each other's work: set the mode, or the HPA's scaleTargetRef by hand"
	} else {
		f.message += "is put back on what its policy names"
	}
	f.good = here || !sameTarget(on, reference(d.Policy))
	if !f.good {
		f.message = strings.Replace(f.message, ", too,", "", 1) + ", and this policy waits for it. To swap two policies' targets, let one have none meanwhile"
	}
	return f
}

// older says whether the policy was made before a rival's.
func (d *decision) older(r *Rival) bool {
	if !d.Policy.CreationTimestamp.Equal(&r.Created) {
		return d.Policy.CreationTimestamp.Before(&r.Created)
	}
	return d.Policy.UID < r.PolicyUID
}
