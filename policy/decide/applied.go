package decide

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// applied is Ready where the HPA is, or is about to be, what the policy says.
func (d *decision) applied() finding {
	t := d.Policy.Scaled()
	known := false
	h := floor.Judge(d.Live)
	if ours(d.Snapshot) {
		known = !h.Blank || h.Disabled
	}
	was := ""
	if !known && d.stored.ObservedGeneration == d.Policy.Generation {
		was = reasonOf(d.stored, v1alpha1.Ready) // the best there is until the HPA says more
	}
	unread := ""
	if known {
		if c := d.unable("FailedGetScale"); c != nil {
			unread = hpa.Readable(c.Message)
		}
	}
	switch {
	case d.Target.State == TargetNotFound, was == NotFound, strings.Contains(unread, "not found"):
		return finding{reason: NotFound, state: StatePending, message: fmt.Sprintf(
			"there is no %s %s: the HPA waits for it; make it, or mend spec.targetRef", t.Kind, t.Name)}
	case unread != "":
		return finding{reason: TargetUnreadable, state: StatePending, message: "the HPA controller cannot read the target's scale: " + clip(unread)}
	case known && h.Disabled, d.Target.State == TargetFound && d.Target.Replicas == 0 && !known, was == AtZero:
		return finding{reason: AtZero, state: StateEnforced, good: true, message: fmt.Sprintf(
			"the target was set to 0, which switches its HPA off: kubectl scale %s %s --replicas=1 switches it on. Loadline writes no replicas", strings.ToLower(t.Kind), t.Name)}
	}
	if f := d.idle(h, was); f != nil {
		return *f
	}
	f := finding{reason: Applied, state: StateEnforced, good: true, message: "the HPA is what the policy says"}
	if doubts := listed(d.problems, hpa.Warning); doubts != "" {
		f.message += ". But " + doubts
	}
	return f
}

// idle says why an HPA that is what the policy says does not scale its target; nil if it
// does, or if that is about its metrics. An HPA that has not been looked at since its last
// write is as it was before; was is what Ready said then.
func (d *decision) idle(h floor.Health, was string) *finding {
	if !ours(d.Snapshot) {
		return nil
	}
	looked := len(d.Live.Status.Conditions) == 0 || d.seen()
	refused := d.unable("FailedUpdateScale")
	switch {
	case !looked && (was == HPAStopped || was == ScaleRefused):
		f := finding{reason: was, state: StatePending, message: messageOf(d.stored, v1alpha1.Ready)}
		if was == HPAStopped && reasonOf(d.stored, v1alpha1.Conflict) == SharedPods {
			d.share(&f)
		}
		return &f
	case !looked:
	case h.Stopped:
		f := finding{reason: HPAStopped, state: StatePending, message: "the HPA keeps the size within its bounds and does nothing else: " + clip(h.Text)}
		switch ptr.Deref(floor.Condition(d.Live, autoscalingv2.ScalingActive), autoscalingv2.HorizontalPodAutoscalerCondition{}).Reason {
		case "AmbiguousSelector":
			f.message += ". Narrow the selector of the workload that matches pods of the other one, or delete the other HPA, one that is left of a workload that is gone, too"
			d.share(&f)
		case "InvalidSelector":
			f.message += ". Have the target's scale say which its pods are: for a kind of a CustomResourceDefinition by subresources.scale.labelSelectorPath"
		}
		return &f
	case refused != nil:
		return &finding{reason: ScaleRefused, state: StatePending, message: fmt.Sprintf(
			"the HPA cannot write the target's size: %s. A right that the HPA controller lacks, a webhook or an admission policy refuses it: see the %s's scale subresource", clip(refused.Message), d.Policy.Scaled().Kind)}
	}
	return nil
}

// share has a finding be a conflict over pods, unless another one is known already.
func (d *decision) share(f *finding) {
	if d.conflict != nil {
		return
	}
	f.state, f.conflict = StateConflict, true
	d.conflict = &finding{reason: SharedPods, message: f.message}
}

// unable is the HPA's condition that it cannot scale, if it is for this reason.
func (d *decision) unable(reason string) *autoscalingv2.HorizontalPodAutoscalerCondition {
	c := floor.Condition(d.Live, autoscalingv2.AbleToScale)
	if c == nil || c.Status != corev1.ConditionFalse || c.Reason != reason {
		return nil
	}
	return c
}
