package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Schedule raises the minimum for a time that comes again.
type Schedule struct {
	// Name tells the schedules of a policy apart.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// Start is when it begins, in the five fields of cron: minute, hour, day of month,
	// month, day of week. If both days are restricted, either is enough. A start that a
	// change to summer time skips is made up for at once. One that comes twice when clocks
	// are put back counts once, or each time if the hour is * or */N.
	//
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=100
	Start string `json:"start"`
	// Duration is how long it lasts, in elapsed time: from 1m to 168h. The day on which
	// clocks are put back has 25 hours: for whole days give 25h. If the schedule starts
	// again before it ends, it goes on.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')",messageExpression="self + ' is no duration of a schedule: give 1m to 168h'"
	Duration metav1.Duration `json:"duration"`
	// TimeZone is a name of the IANA time zone database, for example Europe/Berlin.
	// UTC if it is left out.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// Min is the least number of pods meanwhile, at most replicas.max.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Min int32 `json:"min"`
}

// Fallback raises the minimum while a metric cannot be read.
type Fallback struct {
	// After is how long the metric has to be unreadable, from 30s to 1h.
	//
	// +optional
	// +kubebuilder:default="2m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$') && duration(self) >= duration('30s') && duration(self) <= duration('1h')",messageExpression="self + ' is no time after which to fall back: give 30s to 1h'"
	After metav1.Duration `json:"after,omitempty"`
	// Min is the least number of pods meanwhile, at most replicas.max. It never lowers
	// the size.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Min int32 `json:"min"`
}

// ScaleIn is what becomes of scaling in during a rollout.
type ScaleIn string

// What becomes of scaling in during a rollout.
const (
	Hold  ScaleIn = "Hold"
	Allow ScaleIn = "Allow"
)

// Rollout says what holds while the target's pods are replaced.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.predecessor) && self.predecessor == 'ScaleToZero' && has(self.scaleIn) && self.scaleIn == 'Allow')",fieldPath=".predecessor",message="ScaleToZero waits until the new pods have the size that is held: it needs scaleIn Hold"
type Rollout struct {
	// ScaleIn is Hold, which raises the minimum to the size that the target has when the
	// rollout begins, until it is over; or Allow.
	//
	// +optional
	// +kubebuilder:default=Hold
	// +kubebuilder:validation:Enum=Hold;Allow
	ScaleIn ScaleIn `json:"scaleIn,omitempty"`
	// MaxHold is how long one rollout holds the minimum at most, from 1m to 24h.
	//
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",messageExpression="self + ' is no time for which a rollout holds: give 1m to 24h'"
	MaxHold *metav1.Duration `json:"maxHold,omitempty"`
	// Predecessor is what becomes of a ReplicationController or ReplicaSet when targetRef
	// names another one in its place: Keep, or ScaleToZero once that one has the size and
	// serves, step by step. ScaleToZero needs rights that Loadline has only in namespaces
	// where they were given to it.
	//
	// +optional
	// +kubebuilder:default=Keep
	// +kubebuilder:validation:Enum=Keep;ScaleToZero
	Predecessor Retire `json:"predecessor,omitempty"`
}
