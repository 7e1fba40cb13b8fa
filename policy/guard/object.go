package guard

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a group and kind, written Deployment.apps, or Pod where the group is empty.
type Kind string

// The kinds that checks know.
const (
	Deployment              Kind = "Deployment.apps"
	StatefulSet             Kind = "StatefulSet.apps"
	ReplicaSet              Kind = "ReplicaSet.apps"
	DaemonSet               Kind = "DaemonSet.apps"
	ReplicationController   Kind = "ReplicationController"
	Job                     Kind = "Job.batch"
	CronJob                 Kind = "CronJob.batch"
	Pod                     Kind = "Pod"
	Service                 Kind = "Service"
	ResourceQuota           Kind = "ResourceQuota"
	LimitRange              Kind = "LimitRange"
	PodDisruptionBudget     Kind = "PodDisruptionBudget.policy"
	HorizontalPodAutoscaler Kind = "HorizontalPodAutoscaler.autoscaling"
	AutoscalingPolicy       Kind = "AutoscalingPolicy.loadline.dev"
	ScaledObject            Kind = "ScaledObject.keda.sh"
	VerticalPodAutoscaler   Kind = "VerticalPodAutoscaler.autoscaling.k8s.io"
	Rollout                 Kind = "Rollout.argoproj.io"
	Definition              Kind = "CustomResourceDefinition.apiextensions.k8s.io"
)

// Kinds returns all kinds that a snapshot may be asked for.
func Kinds() []Kind {
	return append(append(Workloads(), Scalers()...), DaemonSet, Job, CronJob, Pod, Service, ResourceQuota, LimitRange,
		PodDisruptionBudget, VerticalPodAutoscaler, Definition)
}

// Workloads returns the kinds with a replica count that checks look into.
func Workloads() []Kind {
	return []Kind{Deployment, StatefulSet, ReplicaSet, ReplicationController, Rollout}
}

// Scalers returns the kinds that are HPAs or become one.
func Scalers() []Kind { return []Kind{HorizontalPodAutoscaler, AutoscalingPolicy, ScaledObject} }

// KindOf is the Kind of a group and kind.
func KindOf(gk schema.GroupKind) Kind { return Kind(gk.String()) }

// GroupKind is the opposite of KindOf.
func (k Kind) GroupKind() schema.GroupKind { return schema.ParseGroupKind(string(k)) }

// Object names an object.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Namespace is empty for what has none.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is Deployment shop/web.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// key tells objects apart whatever the version that they are written in.
func (o Object) key() key {
	return key{kind: KindOf(schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).GroupKind()), namespace: o.Namespace, name: o.Name}
}

// Same says whether two names are of one object, whatever the API version.
func (o Object) Same(other Object) bool { return o.key() == other.key() }

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion))
}

type key struct {
	kind            Kind
	namespace, name string
}

func object(apiVersion, kind string, meta *metav1.ObjectMeta) Object {
	return Object{APIVersion: apiVersion, Kind: kind, Namespace: meta.Namespace, Name: meta.Name}
}
