package doctor

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/guard"
)

// The groups of the metrics APIs.
const (
	ResourceMetrics = "metrics.k8s.io"
	CustomMetrics   = "custom.metrics.k8s.io"
	ExternalMetrics = "external.metrics.k8s.io"
)

// The names that Kubernetes and Loadline's manifests give.
const (
	// ControllerRole is the ClusterRole of the HPA controller, and its binding.
	ControllerRole = "system:controller:horizontal-pod-autoscaler"
	// ControllerUser is as whom it asks.
	ControllerUser = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
	// adapterManager is the field manager of loadline-adapter's writes.
	adapterManager = "loadline-adapter"
)

// Read is what was asked for: a value, or why there is none.
type Read[T any] struct {
	Value T
	// Unread is why there is no value; nil if there is one.
	Unread *Unread
}

// Unread is why something could not be read.
type Unread struct {
	Reason string
	// Right is what whoever asks lacks, such as "list apiservices in the group
	// apiregistration.k8s.io"; empty where it is no right.
	Right string
	// Absent: the cluster says that there is no such thing, which is an answer.
	Absent bool
}

// Snapshot is what was read of a cluster. Check changes nothing in it.
type Snapshot struct {
	// Server is kube-apiserver, as it answered to who it is.
	Server Read[Server]
	// Autoscaling is the group autoscaling as the server lists it.
	Autoscaling Read[metav1.APIGroup]
	// FrontProxy is the data of the ConfigMap kube-system/extension-apiserver-authentication.
	FrontProxy Read[map[string]string]
	// APIServices are those of Groups, with managedFields.
	APIServices Read[[]apiregistrationv1.APIService]
	// Discovery is what each version of Groups lists, by GROUP/VERSION.
	Discovery map[string]Read[metav1.APIResourceList]
	// Backends are what is behind the Services of APIServices.
	Backends map[types.NamespacedName]*Backend
	// Access is what the HPA controller may, by a SubjectAccessReview of each.
	Access []Access
	// Role and RoleBinding are the HPA controller's; they matter where a review was refused.
	Role        Read[rbacv1.ClusterRole]
	RoleBinding Read[rbacv1.ClusterRoleBinding]
	// Gates are those feature gates of kube-apiserver that HPAs know, by name.
	Gates Read[map[string]bool]
	// Leases are of nodes: who renews one says what its clock is.
	Leases Read[[]coordinationv1.Lease]
	// ManagerLease is kube-controller-manager's; Absent where the cluster shows none.
	ManagerLease Read[coordinationv1.Lease]
	// HPAs are those of the namespace in question, or all.
	HPAs Read[[]autoscalingv2.HorizontalPodAutoscaler]
	// Workloads are what guard's check of requests looks at: HPAs, Deployments, StatefulSets,
	// LimitRanges.
	Workloads guard.Snapshot
	// Policies are those of the same namespaces; Absent where the cluster does not know the kind.
	Policies Read[[]v1alpha1.AutoscalingPolicy]
	// Controllers are the Deployments of loadline-policy, in all namespaces.
	Controllers Read[[]appsv1.Deployment]
	// Sources are what the rules' sources answer, if some API of the cluster says it; nil where
	// none does. Then the values that HPAs have are what there is to go by.
	Sources []Source
	// Now is when the last of all this was read, by the clock of whoever asked.
	Now time.Time
}

// Server is how kube-apiserver answered to who it is.
type Server struct {
	Version version.Info
	// Date is when, by its own clock, to the second; zero where it does not say.
	Date time.Time
	// Sent and Received are when it was asked and had answered, by the clock of whoever asked.
	Sent, Received time.Time
}

// Backend is what is behind a Service.
type Backend struct {
	Service     Read[corev1.Service]
	Deployments Read[[]appsv1.Deployment]
	Pods        Read[[]corev1.Pod]
	// Config is the configuration file with the rules. It is read where Place says that there
	// is one.
	Config Read[string]
}

// Access is one thing that the HPA controller does.
type Access struct {
	Verb, Group, Resource string
	// Allowed is the answer of a SubjectAccessReview.
	Allowed Read[bool]
}

// Source is one that rules ask.
type Source struct {
	// Name is that of the configuration; "default" is the one of the flags.
	Name string
	// Down is why it counts as away; empty for one that answers.
	Down string
}

// Asked are what the HPA controller has to be allowed, in the order of its rules.
func Asked() []Access {
	return []Access{
		{Verb: "get", Group: "apps", Resource: "deployments/scale"},
		{Verb: "update", Group: "apps", Resource: "deployments/scale"},
		{Verb: "list", Resource: "pods"},
		{Verb: "list", Group: ResourceMetrics, Resource: "pods"},
		{Verb: "get", Group: CustomMetrics, Resource: "pods/loadline-doctor"},
		{Verb: "list", Group: ExternalMetrics, Resource: "loadline-doctor"},
	}
}
