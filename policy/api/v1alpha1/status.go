package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Types of the conditions of a policy.
const (
	// Ready: the HPA is what the policy says.
	Ready = "Ready"
	// MetricsAvailable: the HPA reads all its metrics.
	MetricsAvailable = "MetricsAvailable"
	// ScalingLimited: the metrics ask for another size than the bounds or the pace allow.
	ScalingLimited = "ScalingLimited"
	// Held: a floor holds the minimum above replicas.min.
	Held = "Held"
	// Conflict: somebody else scales the target, or writes the HPA.
	Conflict = "Conflict"
	// RollingOut: the target's pods are being replaced by those of a new revision.
	RollingOut = "RollingOut"
	// Switching: the Service moves from one workload to the other. Only policies with
	// blueGreen have it.
	Switching = "Switching"
)

// AutoscalingPolicyStatus is what Loadline made of the policy.
type AutoscalingPolicyStatus struct {
	// ObservedGeneration is the generation of the spec that this is about.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, MetricsAvailable, ScalingLimited, Held, Conflict, RollingOut and,
	// with spec.blueGreen, Switching.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// State is the conditions in one word: Enforced, DryRun, Paused, Conflict, Invalid
	// or Pending.
	//
	// +optional
	State string `json:"state,omitempty"`
	// Target is the name of what is scaled: that of spec.targetRef or, of two that take
	// turns, of the one that serves.
	//
	// +optional
	Target string `json:"target,omitempty"`
	// HPA is the HorizontalPodAutoscaler as it was written last.
	//
	// +optional
	HPA *AppliedHPA `json:"hpa,omitempty"`
	// EffectiveMin is the minimum in force: the highest floor, at most replicas.max.
	//
	// +optional
	EffectiveMin *int32 `json:"effectiveMin,omitempty"`
	// Floors are what holds the minimum above replicas.min, each with its reason.
	//
	// +optional
	// +listType=map
	// +listMapKey=owner
	Floors []Floor `json:"floors,omitempty"`
	// Fallback is how spec.fallback fares.
	//
	// +optional
	Fallback *FallbackState `json:"fallback,omitempty"`
	// Rollout is which revision of the target is rolled out, and which is about to be.
	//
	// +optional
	Rollout *RolloutState `json:"rollout,omitempty"`
	// BlueGreen is how spec.blueGreen fares.
	//
	// +optional
	BlueGreen *BlueGreenState `json:"blueGreen,omitempty"`
	// Release is a minimum that is lowered step by step after floors have ended.
	//
	// +optional
	Release *Release `json:"release,omitempty"`
	// BelowFloorSince is since when the target has fewer pods than the minimum in force, though
	// the HPA has seen that: somebody, or the HPA itself by what it had decided before, has set
	// it. The HPA brings it back at its next sync.
	//
	// +optional
	BelowFloorSince *metav1.Time `json:"belowFloorSince,omitempty"`
	// Replicas is the target's size, as the HPA saw it.
	//
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Metric is the current value against the target of the first objective that can
	// be read.
	//
	// +optional
	Metric string `json:"metric,omitempty"`
	// ValuesAt is when replicas and metric were written, at most once a minute. The
	// HPA's own status has them live.
	//
	// +optional
	ValuesAt *metav1.Time `json:"valuesAt,omitempty"`
	// Plan is, in mode DryRun, what would be done.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	Plan []string `json:"plan,omitempty"`
}

// AppliedHPA is an HPA as it was written last.
type AppliedHPA struct {
	// Name of the HPA: the policy's.
	Name string `json:"name"`
	// UID tells it from an HPA of the same name that was made before or after it.
	//
	// +optional
	UID types.UID `json:"uid,omitempty"`
	// Min is the minReplicas written.
	//
	// +optional
	Min *int32 `json:"min,omitempty"`
	// Rewrites are the last times at which another writer's change was undone.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=3
	// +listType=atomic
	Rewrites []metav1.Time `json:"rewrites,omitempty"`
	// Rewritten are the fields of the last of them.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	Rewritten []string `json:"rewritten,omitempty"`
}

// Floor is a lower bound of the size. The HPA's minimum is the highest one.
type Floor struct {
	// Owner is who holds it: schedule/NAME, fallback, rollout, switch, outage or
	// unknown. An outage holds for a day at most, or an hour where the metrics were never
	// all there.
	Owner string `json:"owner"`
	// Reason is why, for people.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// Value is the number of pods.
	Value int32 `json:"value"`
	// Since is when it began.
	Since metav1.Time `json:"since"`
	// Expires is when it ends unless it is renewed. That of a schedule which starts again
	// before it ends is renewed once a month.
	Expires metav1.Time `json:"expires"`
}

// FallbackPhase is a state of spec.fallback.
type FallbackPhase string

// The phases. A policy whose metrics are good has none.
const (
	// Suspect: a metric cannot be read, not yet for as long as fallback.after.
	Suspect FallbackPhase = "Suspect"
	// Engaged: the floor is held.
	Engaged FallbackPhase = "Engaged"
	// Recovering: the metrics can be read again, not yet for long enough.
	Recovering FallbackPhase = "Recovering"
)

// FallbackState is how spec.fallback fares.
type FallbackState struct {
	// Phase is Suspect, while a metric cannot be read and fallback.after has not passed;
	// Engaged, while the floor is held; or Recovering, until the metrics have been good for
	// long enough.
	Phase FallbackPhase `json:"phase"`
	// Since is when the phase began.
	Since metav1.Time `json:"since"`
	// Good is since when the metrics can be read while the phase is Suspect.
	//
	// +optional
	Good *metav1.Time `json:"good,omitempty"`
	// Metrics are those that cannot be read.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	Metrics []string `json:"metrics,omitempty"`
}

// RolloutPhase is a state of the target's rollout.
type RolloutPhase string

// The phases. A target at rest has none.
const (
	// Progressing: pods of the new revision take the place of others.
	Progressing RolloutPhase = "Progressing"
	// Stalled: it does not go on by itself.
	Stalled RolloutPhase = "Stalled"
	// Settling: it is complete, and the metrics still speak of the time before.
	Settling RolloutPhase = "Settling"
	// GivenUp: it has taken longer than rollout.maxHold, and holds nothing any more.
	GivenUp RolloutPhase = "GivenUp"
)

// RolloutState is how far the target's rollout is.
type RolloutState struct {
	// TargetUID is the target that this is about: one that is made anew under its name is
	// another.
	TargetUID types.UID `json:"targetUID"`
	// Settled is the revision that was rolled out completely last: Loadline's own hash of
	// the pod template.
	//
	// +optional
	Settled string `json:"settled,omitempty"`
	// Revision is the one that is being rolled out; none if it is left out.
	//
	// +optional
	Revision string `json:"revision,omitempty"`
	// Phase of the rollout of Revision.
	//
	// +optional
	Phase RolloutPhase `json:"phase,omitempty"`
	// Since is when the phase began.
	//
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Started is when the rollout of Revision was first seen.
	//
	// +optional
	Started *metav1.Time `json:"started,omitempty"`
	// Updated is how many pods of it there were at the last progress, at ProgressedAt, where
	// the target's own controller has no deadline for that.
	//
	// +optional
	Updated int32 `json:"updated,omitempty"`
	// ProgressedAt is when there came to be more of them last.
	//
	// +optional
	ProgressedAt *metav1.Time `json:"progressedAt,omitempty"`
	// Unmetered are the metrics of the pods that none of the new revision's pods has, since
	// UnmeteredSince.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	Unmetered []string `json:"unmetered,omitempty"`
	// UnmeteredSince is since when.
	//
	// +optional
	UnmeteredSince *metav1.Time `json:"unmeteredSince,omitempty"`
	// Predecessor is what the target has taken the place of, while that is still to be
	// scaled to 0.
	//
	// +optional
	Predecessor *TargetReference `json:"predecessor,omitempty"`
	// PredecessorUID is its UID: whatever else has its name is left alone.
	//
	// +optional
	PredecessorUID types.UID `json:"predecessorUID,omitempty"`
}

// Release is a minimum that goes down in the steps of the scaleDown behavior: a floor
// taken away at once would be a cliff.
//
// It has no expiry. While metrics cannot be read it waits: the HPA keeps the size then,
// whatever its minimum, and a lower one would only be the cliff that is there when they come
// back. It begins once they have been good for a window of scaleDown; while nothing is known
// of them, and when they could not be read for a day (an hour, where they never were all
// there), it goes on slowly.
type Release struct {
	// Value is the minimum that is left.
	Value int32 `json:"value"`
	// Reason is what ended, for people.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// LastStep is when the value was lowered last, or the release began.
	LastStep metav1.Time `json:"lastStep"`
	// NotBefore is until when it is not lowered, while the metrics have not been good for
	// long enough. While they cannot be read no such time is known.
	//
	// +optional
	NotBefore *metav1.Time `json:"notBefore,omitempty"`
}
