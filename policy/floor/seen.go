package floor

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncs is after how many periods of the HPA controller an HPA is taken to have been looked
// at, where nothing proves it: one may have begun just before the write, and the next one
// comes a period later at the latest.
const syncs = 2

// Seen says whether the HPA controller, of this period, has looked at the HPA as it is
// written now; and if not, at which time it is taken to have, zero for none.
//
// From Kubernetes 1.37 on generations tell. Before, an API server counts none for HPAs, and
// the status that a controller of before writes names none (the gate HPAGeneration in each of
// the two, which an upgrade replaces one after the other), so that the times of the last writes
// have to do, of which managedFields tell: a status that is younger than the spec was
// written by who had read that spec, for the API server refuses it otherwise. One that a
// sync leaves as it was is not written again, and then only time tells.
func Seen(live *autoscalingv2.HorizontalPodAutoscaler, now time.Time, period time.Duration) (bool, time.Time) {
	if counted(live) {
		return !behind(live), time.Time{}
	}
	if len(live.Status.Conditions) == 0 {
		return false, time.Time{}
	}
	spec, status := written(live.ManagedFields)
	until := spec.Add(syncs * period)
	// Without a time, or with one of a clock that is far ahead, there is nothing to go by.
	if spec.IsZero() || spec.After(now.Add(period)) || status.After(spec) || !now.Before(until) {
		return true, time.Time{}
	}
	return false, until
}

// counted says whether generations tell what the controller has seen.
func counted(live *autoscalingv2.HorizontalPodAutoscaler) bool {
	return live.Generation > 0 && live.Status.ObservedGeneration != nil
}

// behind says whether generations tell that the controller has yet to see the spec.
func behind(live *autoscalingv2.HorizontalPodAutoscaler) bool {
	return counted(live) && *live.Status.ObservedGeneration < live.Generation
}

// written is when an object's spec and its status were written last, in whole seconds; zero
// where its managedFields do not say. A write of its metadata counts as one of its spec; one
// that only takes fields away has no time of its own.
func written(fields []metav1.ManagedFieldsEntry) (spec, status time.Time) {
	for _, m := range fields {
		switch {
		case m.Time == nil:
		case m.Subresource == "" && m.Time.After(spec):
			spec = m.Time.Time
		case m.Subresource == "status" && m.Time.After(status):
			status = m.Time.Time
		}
	}
	return spec, status
}

// Strip leaves of an HPA's managedFields what [Seen] goes by, and nothing where generations
// tell: they are half of its memory. It is a cache's transform, and changes o.
func Strip(o any) (any, error) {
	h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return o, nil
	}
	spec, status := written(h.ManagedFields)
	h.ManagedFields = nil
	if counted(h) {
		return o, nil
	}
	for _, of := range []struct {
		subresource string
		at          time.Time
	}{{"", spec}, {"status", status}} {
		if !of.at.IsZero() {
			h.ManagedFields = append(h.ManagedFields, metav1.ManagedFieldsEntry{Subresource: of.subresource, Time: &metav1.Time{Time: of.at}})
		}
	}
	return o, nil
}
