package decide

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Letting is what LetGo has to know besides the HPA.
type Letting struct {
	Now time.Time
	// Settings of which UnknownHold and Sync count.
	Settings Settings
	// Behavior is what an HPA gets back that was frozen without a note of what it had;
	// nil where nobody knows.
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
	// Gone: the policy is not in the cluster any more, and with it went its queries.
	Gone bool
}

// Move is the next thing to do about an HPA that is being let go.
type Move struct {
	// HPA is what is to be written, nil if nothing is for now. Where Done, it takes the
	// place of the HPA, whose managedFields of ours go in the same write. Otherwise it is
	// the full set of our fields, to be applied by FieldManager, by force.
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// Done: with this write the HPA is nobody's but its owner's.
	Done bool
	// Next is how long until there may be more to do even if nothing changes; 0 if no
	// time brings that.
	Next time.Duration
	// Min is the minimum that the HPA has after the write, and Goal the one that it is
	// to come to.
	Min, Goal int32
	// Begins: this is the first write. Waits: from this write on nothing is lowered
	// until the metrics can be read. Stuck: nothing is lowered now for that reason. Falls:
	// nothing is written now, as the HPA may be about to scale to 0.
	Begins, Waits, Stuck, Falls bool
	// Why says in words what is going on.
	Why string
}

// steps is what StepAnnotation has: how far the floors of an HPA are taken down. It is on
// the HPA because there is no policy any more, and it is ours, so a policy that is made
// anew, which applies the HPA without it, ends the matter.
type steps struct {
	// Min is the minimum that was written with it. Any other is somebody else's doing, or
	// the note is an old one: what it says of times does not hold then.
	Min      int32       `json:"min"`
	LastStep metav1.Time `json:"lastStep"`
	// GoodSince is since when the metrics can be read; nil while they cannot.
	GoodSince *metav1.Time `json:"goodSince,omitempty"`
	// Settled: the HPA was given all that it is to keep.
	Settled bool `json:"settled,omitempty"`
}

// maxSteps is how many bytes of StepAnnotation are read.
const maxSteps = 512

// LetGo says what to do next about an HPA of ours that is to be let go, so that no floor
// on it ends in a cliff: it gets its own behavior back if it is frozen, then its minimum
// is lowered to that of its owner (or, where it is to be restored, to that of its saved
// spec) as package floor takes down a floor that has ended, and the write after the
// last step takes away all that is ours.
//
// It begins once the metrics were good for a window; while they are bad it waits, unless
// all that is missing are queries of a policy that is gone, which nobody serves again. Who
// cannot wait sets the minimum on the HPA: one that is not above the goal ends it at
// once. From the first write on the HPA has no owner, for that may be gone.
func LetGo(live *autoscalingv2.HorizontalPodAutoscaler, in Letting) Move {
	free, why, _ := freed(live, in.Behavior)
	m := Move{Min: minOf(live), Goal: minOf(free)}
	done := Move{HPA: free, Done: true, Min: m.Goal, Goal: m.Goal, Why: why}
	now := in.Now.UTC().Truncate(time.Second)
	if m.Min <= m.Goal {
		return settled(live, done, now)
	}
	health, seen := in.judge(live)
	was := stepsOf(live)
	is := was.next(live, health, now)
	down := hpa.Thaw(live, in.Behavior)
	hold := in.Settings.UnknownHold
	if noTargetOf(live) {
		hold = 0 // there is no pod to lose
	}
	r := floor.Evaluate(floor.Input{
		Now: in.Now, Min: m.Goal, Max: live.Spec.MaxReplicas, Live: seen, Status: is.status(),
		Down: scaleDown(down), UnknownHold: hold, Sync: in.Settings.Sync,
	})
	if r.Min <= m.Goal {
		return settled(live, done, now)
	}
	if r.Min < m.Min {
		is.Min, is.LastStep = r.Min, metav1.NewTime(now)
	}
	if !r.Next.IsZero() {
		m.Next = max(r.Next.Sub(in.Now), time.Second)
	}
	m.Min, m.Begins, m.Stuck = r.Min, was == nil, health.State == floor.Bad
	m.Waits = is.GoodSince == nil && (was == nil || was.GoodSince != nil) && health.State == floor.Bad
	r.Health = health
	m.Why = tell(live, m, r, scaleDown(down))
	if was == nil || !equality.Semantic.DeepEqual(was, is) {
		m.HPA = onItsWay(live, down, is)
	}
	return m
}

// settled is the last move, or the one before it: whoever sets a value owns the field, so
// an HPA gets its spec, and the label that was its own, while it still is ours, and the
// write that disowns it only takes away. It does the rest, too, where the values are not
// as they were written a moment ago.
func settled(live *autoscalingv2.HorizontalPodAutoscaler, done Move, now time.Time) Move {
	was, free := stepsOf(live), done.HPA
	if until := fallsUntil(live, now); done.Goal == 0 && !until.IsZero() {
		return Move{Goal: done.Goal, Next: until.Sub(now), Falls: true, Why: fallsText(until)}
	}
	if m := cutting(live, done, was, now); m != nil {
		return *m
	}
	mine, others := hpa.Differences(&autoscalingv2.HorizontalPodAutoscaler{Spec: free.Spec}, &autoscalingv2.HorizontalPodAutoscaler{Spec: live.Spec})
	manager, labelled := free.Labels[hpa.ManagedByLabel]
	if was != nil && was.Settled || len(mine)+len(others) == 0 && (!labelled || live.Labels[hpa.ManagedByLabel] == manager) {
		return done
	}
	m := done
	m.HPA = onItsWay(live, hpa.Thaw(live, nil), &steps{Min: done.Goal, LastStep: metav1.NewTime(now), Settled: true})
	m.HPA.Spec = free.DeepCopy().Spec
	if labelled {
		m.HPA.Labels[hpa.ManagedByLabel] = manager
	}
	m.Done, m.Next = false, time.Second
	return m
}

// stepsOf reads StepAnnotation; nil where there is none that is about the HPA as it is.
func stepsOf(live *autoscalingv2.HorizontalPodAutoscaler) *steps {
	text := live.Annotations[StepAnnotation]
	if text == "" || len(text) > maxSteps {
		return nil
	}
	var s steps
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.Min != minOf(live) || s.LastStep.IsZero() {
		return nil
	}
	return &s
}

// next is the note of now: that of before, brought up to what the HPA says of its metrics,
// or a new one. A time that lies ahead is now: the clock was put back, and to wait until
// it gets there again could take for ever.
func (s *steps) next(live *autoscalingv2.HorizontalPodAutoscaler, h floor.Health, now time.Time) *steps {
	past := func(t metav1.Time) metav1.Time {
		if t.IsZero() || t.After(now) {
			return metav1.NewTime(now)
		}
		return metav1.NewTime(t.UTC())
	}
	is := &steps{Min: minOf(live), LastStep: metav1.NewTime(now)}
	if s != nil {
		is.LastStep = past(s.LastStep)
		if s.GoodSince != nil {
			is.GoodSince = ptr.To(past(*s.GoodSince))
		}
	}
	switch {
	case h.State == floor.Good && is.GoodSince == nil:
		is.GoodSince = ptr.To(past(readSince(live)))
		if s != nil {
			is.GoodSince = ptr.To(metav1.NewTime(now)) // they were not when it was written
		}
	case h.State == floor.Bad, h.State == floor.Unknown && !h.Blank:
		is.GoodSince = nil
	}
	return is
}

// readSince is since when an HPA reads its metrics by its own account, zero if it gives
// none: with several, ScalingActive stays true while one of them is gone.
func readSince(live *autoscalingv2.HorizontalPodAutoscaler) metav1.Time {
	c := floor.Condition(live, autoscalingv2.ScalingActive)
	if c == nil || c.Status != corev1.ConditionTrue || len(live.Spec.Metrics) != 1 {
		return metav1.Time{}
	}
	return c.LastTransitionTime
}

// noTargetOf says whether an HPA's target is not there, by what its controller found.
func noTargetOf(live *autoscalingv2.HorizontalPodAutoscaler) bool {
	c := floor.Condition(live, autoscalingv2.AbleToScale)
	return c != nil && c.Status == corev1.ConditionFalse && c.Reason == "FailedGetScale" && strings.Contains(c.Message, "not found")
}

// status is that of a policy all of whose floors have ended.
func (s *steps) status() *v1alpha1.AutoscalingPolicyStatus {
	status := &v1alpha1.AutoscalingPolicyStatus{
		ObservedGeneration: 1,
		HPA:                &v1alpha1.AppliedHPA{Min: ptr.To(s.Min)},
		Release:            &v1alpha1.Release{Value: s.Min, LastStep: s.LastStep},
	}
	if s.GoodSince != nil {
		status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionTrue, LastTransitionTime: *s.GoodSince}}
	}
	return status
}

// onItsWay is the full set of our fields on an HPA that is being let go: all that we had,
// thawed and without an owner.
func onItsWay(live, thawed *autoscalingv2.HorizontalPodAutoscaler, s *steps) *autoscalingv2.HorizontalPodAutoscaler {
	note, _ := json.Marshal(s) // numbers and times: it cannot fail
	next := &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta: metav1.TypeMeta{APIVersion: autoscalingv2.SchemeGroupVersion.String(), Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: live.Namespace, Name: live.Name,
			Labels:      map[string]string{hpa.ManagedByLabel: hpa.ManagedBy, hpa.PolicyLabel: live.Name},
			Annotations: map[string]string{StepAnnotation: string(note)},
		},
		Spec: thawed.Spec,
	}
	for key, value := range thawed.Annotations {
		switch {
		case !strings.HasPrefix(key, annotationPrefix):
		case key == StepAnnotation, key == AdoptAnnotation, key == ReleaseAnnotation: // the last two are people's
		default:
			next.Annotations[key] = value
		}
	}
	next.Spec.MinReplicas = ptr.To(s.Min)
	return next
}

func scaleDown(h *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HPAScalingRules {
	if h.Spec.Behavior == nil {
		return nil
	}
	return h.Spec.Behavior.ScaleDown
}

// tell says how far it is, what it waits for and how to be done with it.
func tell(live *autoscalingv2.HorizontalPodAutoscaler, m Move, r floor.Result, down *autoscalingv2.HPAScalingRules) string {
	n, every := 0, time.Duration(0)
	for value := m.Min; value > m.Goal && n < int(m.Min); n++ {
		value, every = hpa.Step(value, down)
	}
	text := fmt.Sprintf("min %d goes to %d first, step by step as its scaleDown behavior allows: %d, one each %s", m.Min, m.Goal, n, every)
	switch release := r.Release; {
	case r.Health.State == floor.Bad:
		text += ", when it can read its metrics again (" + clip(r.Health.Text) + ")"
	case r.Health.State == floor.Unknown && len(r.Health.Missing) > 0:
		text += ", or each hour, as " + r.Health.Text
	case r.Health.State == floor.Unknown && !r.Health.Disabled && !noTargetOf(live):
		text += fmt.Sprintf(", or each hour while it does not say whether it reads its metrics (%s)", clip(r.Health.Text))
	case release != nil && release.NotBefore != nil:
		text += ", from " + floor.Local(release.NotBefore.UTC()) + " on"
	}
	return text + ". To be done with it at once: " + byHand(live, m.Goal)
}
