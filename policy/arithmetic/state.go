package arithmetic

import (
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// State is what one sync of the HPA controller looks at. Nothing in it is changed.
type State struct {
	// HPA as it was read: its spec says what to do, its status what was done last.
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// Scale is the scale subresource of its target.
	Scale autoscalingv1.Scale
	// Pods are those that the selector of Scale finds in the HPA's namespace, with the ones
	// that are terminating or have ended.
	Pods []corev1.Pod
	// Readings are what the metrics APIs answered, in the order of the HPA's spec.metrics.
	// One that is absent is a metric that was not read.
	Readings []Reading
	// Rivals are other HPAs ("namespace/name") whose targets' selectors find one of Pods, too.
	Rivals []string
	// Settings are the controller's.
	Settings Settings
	// Memory is what the controller remembers; nil where that is not known, which is so for
	// everybody else.
	Memory *Memory
	// Now is when the sync is.
	Now time.Time
}

// Settings are flags of kube-controller-manager.
type Settings struct {
	// Tolerance is --horizontal-pod-autoscaler-tolerance: 0.1 is 10 % off the target, in
	// either direction. A behavior may have another one for a direction.
	Tolerance float64
	// CPUInitializationPeriod is --horizontal-pod-autoscaler-cpu-initialization-period: how
	// long after a pod's start its CPU counts only while it is ready.
	CPUInitializationPeriod time.Duration
	// InitialReadinessDelay is --horizontal-pod-autoscaler-initial-readiness-delay: a pod that
	// turned unready sooner than this after its start was never ready.
	InitialReadinessDelay time.Duration
	// DownscaleStabilization is --horizontal-pod-autoscaler-downscale-stabilization: how long
	// the highest recommendation holds, unless a behavior says otherwise.
	DownscaleStabilization time.Duration
}

// DefaultSettings are those of a kube-controller-manager without flags
// (pkg/controller/podautoscaler/config/v1alpha1/defaults.go).
func DefaultSettings() Settings {
	return Settings{
		Tolerance:               0.1,
		CPUInitializationPeriod: 5 * time.Minute,
		InitialReadinessDelay:   30 * time.Second,
		DownscaleStabilization:  5 * time.Minute,
	}
}

// Reading is what a metrics API answered for one metric. All values are in thousandths of the
// metric's unit, rounded up (MilliValue of a quantity), as the controller computes with them.
type Reading struct {
	// Pods are the samples of a metric of pods, by the pod's name.
	Pods map[string]Sample
	// Values are those of an object, exactly one, or of an external metric, one at least.
	Values []int64
	// Err is why there is no answer; the rest is empty then.
	Err error
}

// Sample is the value of a metric for one pod.
type Sample struct {
	// Milli is the value in thousandths of its unit.
	Milli int64
	// Timestamp is when it was measured, Window over how long before that.
	Timestamp time.Time
	Window    time.Duration
}

// Memory is what the HPA controller remembers of one HPA, before the sync.
type Memory struct {
	// Recommendations are what its metrics asked for in earlier syncs, before stabilisation.
	Recommendations []Recommendation
	// Ups and Downs are how it scaled under a behavior. What is older than every policy of its
	// own direction looks back may be missing, even where one of the other direction would
	// count it: the controller has overwritten it (storeScaleEvent in horizontal.go).
	Ups, Downs []Change
}

// Recommendation is what the metrics asked for in a sync.
type Recommendation struct {
	At       time.Time
	Replicas int32
}

// Change is by how many replicas a target was scaled, in the direction of its list; not
// negative.
type Change struct {
	At time.Time
	By int32
}
