package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// abandoned says what to do with an HPA whose policy is gone. One that the policy owned
// is the garbage collector's, unless somebody asks for it; the others are let go.
func abandoned(s Snapshot) Plan {
	if !ours(s) || s.Live.DeletionTimestamp != nil {
		return Plan{}
	}
	if asked(s.Live) == "" && slices.ContainsFunc(s.Live.OwnerReferences, hpa.IsPolicy) {
		return Plan{}
	}
	return release(s)
}

// asked is how an HPA's annotation asks to be let go; empty where it does not, or in
// words that we do not know: to let go cannot be undone.
func asked(live *autoscalingv2.HorizontalPodAutoscaler) string {
	switch how := live.Annotations[ReleaseAnnotation]; how {
	case ReleaseKeep, ReleaseRestore:
		return how
	}
	return ""
}

// release does the next thing of LetGo.
func release(s Snapshot) Plan {
	if s.Refused != nil {
		return Plan{} // it is tried again, later and later
	}
	in := Letting{Now: s.Now, Settings: s.Settings, Gone: s.Policy == nil}
	if s.Policy != nil {
		in.Behavior = hpa.Behavior(&s.Policy.Spec, s.Capabilities)
	}
	m := LetGo(s.Live, in)
	p := Plan{Next: m.Next}
	switch {
	case m.Done:
		p.Action = &Action{Kind: Disown, HPA: m.HPA, ResourceVersion: s.Live.ResourceVersion, Why: m.Why}
		p.Events = []Event{{Reason: EventReleased, Message: fmt.Sprintf("the HPA %s is no longer Loadline's: %s", s.Live.Name, m.Why)}}
	case m.HPA != nil:
		p.Action = &Action{Kind: Apply, HPA: m.HPA, ResourceVersion: s.Live.ResourceVersion, Why: m.Why}
		if m.Begins || m.Waits {
			p.Events = []Event{{Warning: m.Waits, Reason: EventReleasing, Message: fmt.Sprintf("the HPA %s is being let go: %s", s.Live.Name, m.Why)}}
		}
	}
	if s.Policy != nil {
		return letting(s, m, p)
	}
	return p
}

// letting adds to the plan of a release what the paused policy says of it meanwhile.
func letting(s Snapshot, m Move, p Plan) Plan {
	d := begin(s)
	d.letting, d.action, d.want = &m, p.Action, m.HPA
	d.ready = finding{reason: LettingGo, state: StatePaused, message: "the HPA is being let go: " + m.Why}
	if m.Next > 0 {
		d.wake(d.Now.Add(m.Next))
	}
	out := d.plan()
	out.Events = p.Events // the rest of it changes nothing that a person has to hear
	return out
}

// Free returns an HPA of ours as it is let go at once, without anything of ours but its
// managedFields, and says what became of its spec. Where its annotation asks for
// ReleaseRestore it has the spec that was saved when it was adopted. Otherwise, and if
// none was saved or what was cannot be read, it keeps its spec, and the owner's minimum
// takes the place of the floors; while its metrics cannot be read the present one stays,
// as a floor may be all that keeps the pods.
//
// It is a cliff: what the floors held is cut down to what the metrics ask for in one
// sync. LetGo is the way that is none.
func Free(live *autoscalingv2.HorizontalPodAutoscaler) (free *autoscalingv2.HorizontalPodAutoscaler, why string) {
	free, why, restores := freed(live, nil)
	h := floor.Judge(live)
	if is := minOf(live); !restores && minOf(free) < is && h.State != floor.Good && !h.Disabled {
		why = fmt.Sprintf("it keeps its spec, and min %d, as its metrics cannot be read now. Later: %s", is, byHand(live, minOf(free)))
		free.Spec.MinReplicas = live.DeepCopy().Spec.MinReplicas
	}
	return free, why
}

// freed returns an HPA as it is once it is let go, and says in words what its spec is and
// whether that is the saved one.
func freed(live *autoscalingv2.HorizontalPodAutoscaler, otherwise *autoscalingv2.HorizontalPodAutoscalerBehavior) (free *autoscalingv2.HorizontalPodAutoscaler, why string, restores bool) {
	free = hpa.Thaw(live, otherwise)
	is, own := minOf(live), min(minOf(live), hpa.WrittenMin(live, minOf(live)))
	why = fmt.Sprintf("it keeps its spec, with min %d", own)
	if own < is || live.Annotations[StepAnnotation] != "" {
		why += " without the floors"
	}
	if own < is {
		free.Spec.MinReplicas = &own
	}
	unread := ""
	if asked(live) == ReleaseRestore {
		spec, err := restored(live)
		if err == nil {
			free.Spec, restores, why = spec, true, "it has the spec again that it had before"
		} else {
			unread, why = live.Annotations[SavedAnnotation], err.Error()+": "+why
		}
	}
	if dying := Dying(free.Spec); dying != "" {
		why += "; " + dying
	}
	strip(free)
	if unread != "" {
		free.Annotations[SavedAnnotation] = unread // perhaps people can read it
	}
	return free, why, restores
}

// restored is the spec that an HPA had before its adoption.
func restored(live *autoscalingv2.HorizontalPodAutoscaler) (autoscalingv2.HorizontalPodAutoscalerSpec, error) {
	saved := live.Annotations[SavedAnnotation]
	if saved == "" {
		return autoscalingv2.HorizontalPodAutoscalerSpec{}, fmt.Errorf("the HPA %s was not adopted, so there is no spec to restore", live.Name)
	}
	spec, err := hpa.Restore(saved)
	if err != nil {
		return spec, fmt.Errorf("the spec saved in the annotation %s: %w", SavedAnnotation, err)
	}
	return spec, nil
}

// minOf is the minimum that an HPA has. One that is left out is 1.
func minOf(h *autoscalingv2.HorizontalPodAutoscaler) int32 { return ptr.Deref(h.Spec.MinReplicas, 1) }

// byHand is the command that gives an HPA a minimum.
func byHand(h *autoscalingv2.HorizontalPodAutoscaler, min int32) string {
	return fmt.Sprintf("kubectl -n %s patch hpa %s -p '{\"spec\":{\"minReplicas\":%d}}'", cmp.Or(h.Namespace, "default"), h.Name, min)
}

// strip takes labels, annotations and owner references of ours away, and gives back the
// label that an adoption has overwritten. A value that is none of a label, which only
// an edit leaves there, would have the API server refuse it all.
func strip(h *autoscalingv2.HorizontalPodAutoscaler) {
	delete(h.Labels, hpa.PolicyLabel)
	if h.Labels[hpa.ManagedByLabel] == hpa.ManagedBy {
		delete(h.Labels, hpa.ManagedByLabel)
		if was, ok := h.Annotations[SavedManagerAnnotation]; ok && len(validation.IsValidLabelValue(was)) == 0 {
			h.Labels[hpa.ManagedByLabel] = was
		}
	}
	for key := range h.Annotations {
		if strings.HasPrefix(key, annotationPrefix) {
			delete(h.Annotations, key)
		}
	}
	h.OwnerReferences = slices.DeleteFunc(h.OwnerReferences, hpa.IsPolicy)
}
