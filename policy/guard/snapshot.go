package guard

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Source says how the objects came to be as they are.
type Source string

// The sources.
const (
	// Manifests are as somebody wrote them: what is not there is left to defaults.
	Manifests Source = "Manifests"
	// Live objects were read from an API server: defaults are filled in, and status tells.
	Live Source = "Live"
)

// Snapshot is all that findings are made from. Add fills it; whoever has typed objects
// may put them in. An object is in it once.
type Snapshot struct {
	Source Source
	// Now is when live objects were read.
	Now time.Time
	// Gathered are the kinds of which everything is here that there is, in the namespaces
	// in question; it may be nothing.
	Gathered map[Kind]bool
	// Missing says of kinds that are not gathered why.
	Missing map[Kind]string
	// Old is what was before a change; nil if there is nothing to compare with.
	Old *Snapshot

	Deployments            []*appsv1.Deployment
	StatefulSets           []*appsv1.StatefulSet
	ReplicaSets            []*appsv1.ReplicaSet
	DaemonSets             []*appsv1.DaemonSet
	ReplicationControllers []*corev1.ReplicationController
	Jobs                   []*batchv1.Job
	CronJobs               []*batchv1.CronJob
	Pods                   []*corev1.Pod
	Services               []*corev1.Service
	Quotas                 []*corev1.ResourceQuota
	LimitRanges            []*corev1.LimitRange
	Budgets                []*policyv1.PodDisruptionBudget
	HPAs                   []*autoscalingv2.HorizontalPodAutoscaler
	// Written are, of HPAs that somebody wrote in another version than autoscaling/v2,
	// the versions.
	Written  map[string]string // by NAMESPACE/NAME
	Policies []*v1alpha1.AutoscalingPolicy
	// Definitions are CustomResourceDefinitions.
	Definitions []CustomDefinition
	// Others are objects of kinds without Go types here: ScaledObjects, Rollouts,
	// VerticalPodAutoscalers, and custom resources that may be a target.
	Others []*unstructured.Unstructured
}

// CustomDefinition is what checks need of a CustomResourceDefinition.
type CustomDefinition struct {
	Name     string
	Kind     Kind
	Versions []CustomVersion
}

// CustomVersion is a version of a CustomDefinition.
type CustomVersion struct {
	Name   string
	Served bool
	// Scale: it has a scale subresource.
	Scale bool
	// Selector: that has a labelSelectorPath.
	Selector bool
}

// has says whether a kind was gathered. An HPA, a policy and a ScaledObject each are
// enough to look at HPAs.
func (s *Snapshot) has(k Kind) bool {
	if k == HorizontalPodAutoscaler {
		return slices.ContainsFunc(Scalers(), func(k Kind) bool { return s.Gathered[k] })
	}
	return s.Gathered[k]
}
