package decide

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

// Snapshot is all that a decision is made from. Decide changes nothing in it.
type Snapshot struct {
	Now      time.Time
	Settings Settings
	// Policy as it was read; nil if there is none of this name any more.
	Policy *v1alpha1.AutoscalingPolicy
	// Live is the HPA of the policy's name; nil if there is none. It must show the last
	// write of ours: an older one would look like somebody's edit. managedFields are
	// needed only if NeedsFields says so.
	Live *autoscalingv2.HorizontalPodAutoscaler
	// Whole: Live has its managedFields, which may be none.
	Whole  bool
	Target Target
	// Rollout is how far the target's pods are replaced; nil where that is not known.
	Rollout *rollout.View
	// Unmetered are metrics of the pods that none of the newest revision's has, though some
	// serve; nil where that was not looked at.
	Unmetered []string
	// Handoff is what spec.blueGreen is about; nil where the policy has none, or where
	// Services are not watched.
	Handoff *handoff.World
	// Predecessor is what status.rollout says is to be scaled to 0; nil for nothing.
	Predecessor  *handoff.Predecessor
	Rivals       []Rival
	Capabilities hpa.Capabilities
	// Refused is what the API server answered to the write that this same snapshot led
	// to. Decide then writes nothing to the HPA and says so in the status.
	Refused *Refusal
	// HandoffRefused is what it answered to the write of a handoff.
	HandoffRefused string
}

// Settings are the administrator's.
type Settings struct {
	// UnknownHold is how long a minimum of unknown origin is kept.
	UnknownHold time.Duration
	// ValuesEvery is how often status values alone are written at most.
	ValuesEvery time.Duration
	// Sync is the HPA controller's period.
	Sync time.Duration
	// MetricWindow is how far back the metrics look.
	MetricWindow time.Duration
	// HoldOutages: the size is held through an outage of metrics.
	HoldOutages bool
	// CheckQuery says what is wrong with a PromQL expression in a namespace; nil if
	// queries are not checked here.
	CheckQuery func(namespace, expr string) []string
}

// Defaults are the settings of a cluster whose HPA controller has its own.
func Defaults() Settings {
	return Settings{UnknownHold: time.Hour, ValuesEvery: time.Minute, Sync: 15 * time.Second, MetricWindow: time.Minute, HoldOutages: true}
}

// TargetState is what is known about the target's kind and its scale.
type TargetState string

// The states of a target. Only the kind's two keep an HPA from being written.
const (
	TargetUnread      TargetState = ""            // not read, or the read failed: the HPA's own conditions tell
	TargetFound       TargetState = "Found"       // Replicas is set
	TargetNotFound    TargetState = "NotFound"    // the HPA waits for it
	TargetKindUnknown TargetState = "KindUnknown" // the cluster serves no such kind (yet)
	TargetNotScalable TargetState = "NotScalable" // the kind has no scale subresource
)

// Target is what spec.targetRef leads to.
type Target struct {
	State TargetState
	// Replicas is its spec.replicas, where State is Found.
	Replicas int32
}

// Rival is another HPA on the policy's target (same namespace, group, kind and name),
// or another policy that names it.
type Rival struct {
	// Policy is the other policy's name; empty for an HPA of nobody we know.
	Policy string
	// HPA is the name of the HPA that points at the target (of the other policy, where
	// Policy is set); empty if the policy only names it in its spec.
	HPA string
	// Created and PolicyUID are the other policy's, for who is older; of a foreign HPA
	// Created is its own.
	Created   metav1.Time
	PolicyUID types.UID
	// On is what it is on, where the policy names two that take turns.
	On v1alpha1.TargetReference
	// Elsewhere: the other policy's spec names another target. Its HPA was edited by hand,
	// or has not followed the spec yet.
	Elsewhere bool
	// Idle: the other policy has no HPA and makes none (mode DryRun or Paused).
	Idle bool
	// Unready is why the other policy is not what it says, in its own words; empty where it
	// is, or does not know yet.
	Unready string
	// Claimed: a write that takes the target for this policy is under way.
	Claimed bool
}

// Refusal is an answer of the API server to a write.
type Refusal struct {
	// Conflict: another manager owns the fields (409 of a server-side apply). Otherwise
	// the write was invalid or forbidden.
	Conflict bool
	// Message in the API server's words.
	Message string
}
