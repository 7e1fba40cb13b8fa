// Package floor computes, purely, what holds the minimum of a policy's HPA up: its
// schedules, its fallback, a rollout of its target, a switch to another one, an outage of its
// metrics, a minimum of unknown origin, and the steps in which a floor that has ended is taken away.
//
// All state is in the policy's status and in the HPA, and time is an argument: the same
// input gives the same floors, whoever evaluates them and after whatever restart.
package floor

import (
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

// Owners of floors. That of a schedule has its name behind the prefix.
const (
	ScheduleOwner = "schedule/"
	FallbackOwner = "fallback"
	RolloutOwner  = "rollout"
	SwitchOwner   = "switch"
	OutageOwner   = "outage"
	UnknownOwner  = "unknown"
	// ReleaseOwner is who holds what is left of floors that have ended; it is in the
	// status as Release, not among the floors.
	ReleaseOwner = "release"
)

// Input is what floors are computed from. Nothing in it is changed.
type Input struct {
	Now time.Time
	// Min and Max are the bounds that the floors add to.
	Min, Max  int32
	Schedules []Schedule
	// Fallback is the policy's; nil if it has none.
	Fallback *v1alpha1.Fallback
	// Rollout is the policy's; nil if it says nothing about rollouts.
	Rollout *v1alpha1.Rollout
	// Target is how far the rollout of the target is; nil where that is not known: its kind
	// has none, or it is not there.
	Target *rollout.View
	// Switch is the floor of a switch from one target to another; nil if there is none.
	Switch *v1alpha1.Floor
	// Replaced is what the target has taken the place of and what is to be scaled to 0 when
	// it has; nil for nothing. It counts at the first look at the target.
	Replaced *v1alpha1.TargetReference
	// Gone: the predecessor of the status has no pods any more, or is not there.
	Gone bool
	// Unmetered are metrics that none of the pods of the newest revision has, though some of
	// these serve; nil where that was not looked at, and then what is known stays.
	Unmetered []string
	// Outages: an outage of metrics holds the size.
	Outages bool
	// MetricWindow is how far back the metrics look, such as the range of a rate.
	MetricWindow time.Duration
	// Status as it is stored.
	Status *v1alpha1.AutoscalingPolicyStatus
	// Live is the HPA as it is; nil if there is none.
	Live *autoscalingv2.HorizontalPodAutoscaler
	// Foreign: Live is not ours yet, it is about to be adopted.
	Foreign bool
	// Down is the pace at which the HPA scales in.
	Down *autoscalingv2.HPAScalingRules
	// UnknownHold is how long a minimum of unknown origin is kept.
	UnknownHold time.Duration
	// Sync is the HPA controller's period.
	Sync time.Duration
}

// Result is what holds the minimum at Input.Now.
type Result struct {
	Floors   []v1alpha1.Floor
	Fallback *v1alpha1.FallbackState
	Rollout  *v1alpha1.RolloutState
	Release  *v1alpha1.Release
	Health   Health
	// Min is the minimum in force and Decisive what it is of, a release included; nil
	// where it is Input.Min.
	Min      int32
	Decisive *v1alpha1.Floor
	// Endless: the metrics cannot be read for so long that nothing is held for them any more.
	Endless bool
	// Whole: the target serves with all its pods, so that its predecessor is not needed.
	Whole bool
	// Next is when the result changes at the earliest if nothing else does; zero for
	// never.
	Next time.Time
}

// Held are the floors with what is left of ended ones: what Build is to be given.
func (r Result) Held() []v1alpha1.Floor {
	if r.Release == nil {
		return r.Floors
	}
	return append(slices.Clone(r.Floors), v1alpha1.Floor{
		Owner: ReleaseOwner, Reason: r.Release.Reason, Value: r.Release.Value, Since: r.Release.LastStep,
	})
}

// Evaluate computes the floors. Times are in whole seconds, as they are stored.
func Evaluate(in Input) Result {
	e := evaluation{Input: in, now: in.Now.UTC().Truncate(time.Second), health: Judge(in.Live)}
	r := Result{Health: e.health}
	r.Floors = e.schedules()
	state, held := e.fallback()
	r.Fallback = state
	if held != nil {
		r.Floors = append(r.Floors, *held)
	}
	if r.Rollout, held = e.rollout(); held != nil {
		r.Floors = append(r.Floors, *held)
	}
	r.Whole = e.whole
	if in.Switch != nil && !e.strands(in.Switch.Value) {
		r.Floors = append(r.Floors, *e.switching())
	}
	if held = e.outage(); held != nil {
		r.Floors = append(r.Floors, *held)
	}
	if held = e.unknown(r.Floors); held != nil {
		r.Floors = append(r.Floors, *held)
	}
	r.Release = e.release(r.Floors)
	r.Endless = e.health.State == Bad && !e.now.Before(e.outageEnds())
	r.Min, r.Decisive = hpa.EffectiveMin(in.Min, in.Max, r.Held())
	r.Next = e.next
	return r
}

// evaluation is one call of Evaluate.
type evaluation struct {
	Input
	now    time.Time
	health Health
	whole  bool // see Result
	next   time.Time
}

// wake notes that the result changes at t.
func (e *evaluation) wake(t time.Time) {
	if t.After(e.now) && (e.next.IsZero() || t.Before(e.next)) {
		e.next = t
	}
}

// past returns a stored time, or now if it lies ahead: the clock has been put back, and
// waiting until it gets there again could take for ever.
func (e *evaluation) past(t metav1.Time) metav1.Time {
	if t.After(e.now) {
		return metav1.NewTime(e.now)
	}
	return t
}

// stored returns the floor of an owner in the status, nil if there is none.
func (e *evaluation) stored(owner string) *v1alpha1.Floor {
	for i := range e.Status.Floors {
		if e.Status.Floors[i].Owner == owner {
			return e.Status.Floors[i].DeepCopy()
		}
	}
	return nil
}

// liveMin is the minimum that the HPA has, 0 without an HPA. One that is left out is 1.
func (e *evaluation) liveMin() int32 {
	if e.Live == nil {
		return 0
	}
	return ptr.Deref(e.Live.Spec.MinReplicas, 1)
}
