package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
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

// release lets an HPA go: it keeps its spec, or gets that of before its adoption back,
// and nothing on it is ours any more.
func release(s Snapshot) Plan {
	how := cmp.Or(asked(s.Live), ReleaseKeep)
	free, why := Free(s.Live)
	if s.Policy != nil && how == ReleaseKeep {
		free.Spec.Behavior = hpa.Behavior(&s.Policy.Spec, s.Capabilities) // the present one is frozen
		if held := reasonOf(&s.Policy.Status, v1alpha1.Held); held == HeldByFallback || held == HeldByUnknown {
			free.Spec.MinReplicas = s.Live.DeepCopy().Spec.MinReplicas
			why = stays(s.Live, "nobody can say yet whether its pods are needed")
		}
	}
	return Plan{
		Action: &Action{Kind: Disown, HPA: free, ResourceVersion: s.Live.ResourceVersion, Why: why},
		Events: []Event{{Reason: EventReleased, Message: fmt.Sprintf("the HPA %s is no longer Loadline's: %s", s.Live.Name, why)}},
	}
}

// Free returns an HPA of ours without anything of ours but its managedFields, and says
// what became of its spec. Where its annotation asks for ReleaseRestore it has the spec
// that was saved when it was adopted. Otherwise, and if none was saved or what was cannot
// be read, it keeps its spec, and the owner's minimum takes the place of the floors; while
// its metrics cannot be read the present one stays, as a floor may be all that keeps the
// pods.
func Free(live *autoscalingv2.HorizontalPodAutoscaler) (free *autoscalingv2.HorizontalPodAutoscaler, why string) {
	free = live.DeepCopy()
	if asked(live) != ReleaseRestore {
		why = unhold(free)
		strip(free)
		return free, why
	}
	spec, err := restored(live)
	if err != nil {
		why = err.Error() + ": " + unhold(free)
		strip(free)
		if saved := live.Annotations[SavedAnnotation]; saved != "" {
			free.Annotations[SavedAnnotation] = saved // perhaps people can read it
		}
		return free, why
	}
	free.Spec = spec
	strip(free)
	return free, "it has the spec again that it had before"
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

// unhold takes the floors off an HPA.
func unhold(free *autoscalingv2.HorizontalPodAutoscaler) string {
	min := ptr.Deref(free.Spec.MinReplicas, 1)
	b := free.Spec.Behavior
	if b != nil && frozen(b.ScaleUp) && frozen(b.ScaleDown) {
		b.ScaleUp.SelectPolicy, b.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect), ptr.To(autoscalingv2.MaxChangePolicySelect)
	}
	own := hpa.WrittenMin(free, min)
	switch h := floor.Judge(free); {
	case own >= min:
		return fmt.Sprintf("it keeps its spec, with min %d", min)
	case h.State != floor.Good && !h.Disabled:
		return stays(free, "its metrics cannot be read now")
	}
	free.Spec.MinReplicas = &own
	return fmt.Sprintf("it keeps its spec, with min %d without the floors", own)
}

// stays says why an HPA's minimum stays, and how to lower it.
func stays(h *autoscalingv2.HorizontalPodAutoscaler, why string) string {
	min := ptr.Deref(h.Spec.MinReplicas, 1)
	return fmt.Sprintf("it keeps its spec, and min %d, as %s. Later: kubectl -n %s patch hpa %s -p '{\"spec\":{\"minReplicas\":%d}}'", min, why, h.Namespace, h.Name, hpa.WrittenMin(h, min))
}

func frozen(r *autoscalingv2.HPAScalingRules) bool {
	return r != nil && ptr.Deref(r.SelectPolicy, autoscalingv2.MaxChangePolicySelect) == autoscalingv2.DisabledPolicySelect
}

// strip takes labels, annotations and owner references of ours away.
func strip(h *autoscalingv2.HorizontalPodAutoscaler) {
	delete(h.Labels, hpa.PolicyLabel)
	if h.Labels[hpa.ManagedByLabel] == hpa.ManagedBy {
		delete(h.Labels, hpa.ManagedByLabel)
	}
	for key := range h.Annotations {
		if strings.HasPrefix(key, annotationPrefix) {
			delete(h.Annotations, key)
		}
	}
	h.OwnerReferences = slices.DeleteFunc(h.OwnerReferences, hpa.IsPolicy)
}
