package v1alpha1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AutoscalingPolicy says what an application's owner knows about scaling it. Loadline
// writes a HorizontalPodAutoscaler of the same name from it, and keeps that so.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=asp
// +kubebuilder:printcolumn:name=Target,type=string,JSONPath=.status.target
// +kubebuilder:printcolumn:name=Min,type=integer,JSONPath=.status.effectiveMin
// +kubebuilder:printcolumn:name=Max,type=integer,JSONPath=.spec.replicas.max
// +kubebuilder:printcolumn:name=Replicas,type=integer,JSONPath=.status.replicas
// +kubebuilder:printcolumn:name=Metric,type=string,JSONPath=.status.metric
// +kubebuilder:printcolumn:name=State,type=string,JSONPath=.status.state
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=.metadata.creationTimestamp
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name is longer than the 63 characters of a label, in which the HPA carries it"
type AutoscalingPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AutoscalingPolicySpec `json:"spec"`
	// +optional
	Status AutoscalingPolicyStatus `json:"status,omitempty"`
}

// AutoscalingPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type AutoscalingPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AutoscalingPolicy `json:"items"`
}

// AutoscalingPolicySpec is what the owner wants.
//
// No field inside a list has a default in the schema: GitOps tools compare lists as
// they were written, and would see a difference for ever. What is left out there is
// said in the field's description and filled in when the HPA is built.
//
// +kubebuilder:validation:XValidation:rule="self.replicas.min != 0 || self.objectives.exists(o, has(o.queue) || has(o.external) || has(o.query) || (has(o.custom) && has(o.custom.object)))",fieldPath=".replicas.min",message="min 0 needs an objective that can be read while no pod runs: queue, external, query, or custom with an object"
// +kubebuilder:validation:XValidation:rule="!(has(self.profile) && has(self.behavior))",fieldPath=".behavior",message="give profile or behavior, not both"
// +kubebuilder:validation:XValidation:rule="self.objectives.filter(o, has(o.requestRate)).size() <= 1",fieldPath=".objectives",message="there is more than one requestRate: a second metric of the pods is an objective custom"
// +kubebuilder:validation:XValidation:rule="self.objectives.filter(o, has(o.query)).all(o, self.objectives.exists_one(p, has(p.query) && p.query.name == o.query.name))",fieldPath=".objectives",message="two queries have the same name"
// +kubebuilder:validation:XValidation:rule="[self.objectives.map(o, has(o.cpu) ? (has(o.cpu.container) ? 'cpu ' + o.cpu.container : 'cpu') : has(o.memory) ? (has(o.memory.container) ? 'memory ' + o.memory.container : 'memory') : has(o.queue) && has(o.queue.name) ? 'queue ' + o.queue.name + ' ' + (has(o.queue.metric) ? o.queue.metric : 'reminder_queue_depth') : has(o.external) && !has(o.external.selector) ? 'external ' + o.external.metric : has(o.custom) && !has(o.custom.selector) ? (has(o.custom.object) ? o.custom.object.apiVersion + ' ' + o.custom.object.kind + ' ' + o.custom.object.name + ' ' : 'pods ') + o.custom.metric : 'other').filter(m, m != 'other')].all(all, all.all(m, all.exists_one(n, n == m)))",fieldPath=".objectives",message="two of them read the same metric: keep the one with the lower target"
// +kubebuilder:validation:XValidation:rule="!has(self.blueGreen) || self.blueGreen.otherRef.name != self.targetRef.name",fieldPath=".blueGreen.otherRef.name",message="the two workloads need different names: it is by them that they are told apart"
// +kubebuilder:validation:XValidation:rule="!has(self.blueGreen) || self.targetRef.kind in ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController']",fieldPath=".targetRef.kind",messageExpression="'the pods of a ' + self.targetRef.kind + ' are not known, so it cannot take turns: name a Deployment, StatefulSet, ReplicaSet or ReplicationController'"
// +kubebuilder:validation:XValidation:rule="!has(self.blueGreen) || !has(self.blueGreen.active) || self.blueGreen.active in [self.targetRef.name, self.blueGreen.otherRef.name]",fieldPath=".blueGreen.active",messageExpression="'active is ' + self.blueGreen.active + ', which is neither of the two workloads'"
type AutoscalingPolicySpec struct {
	// TargetRef is what is scaled: a Deployment, StatefulSet, ReplicaSet,
	// ReplicationController, or any other kind with a scale subresource.
	TargetRef TargetReference `json:"targetRef"`

	// Replicas are the bounds between which the target is scaled.
	Replicas Replicas `json:"replicas"`

	// Objectives are what the size follows. With several, the HPA takes the one that
	// asks for the most pods.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	Objectives []Objective `json:"objectives"`

	// Profile is how fast the size follows: Steady for load with short peaks or for
	// pods that start slowly, Balanced, or Responsive for load that comes in bursts to
	// pods that start fast. Balanced if neither this nor behavior is given.
	//
	// +optional
	// +kubebuilder:validation:Enum=Steady;Balanced;Responsive
	Profile Profile `json:"profile,omitempty"`

	// Behavior is the HPA's own behavior, taken as it is, instead of a profile. Quote a
	// tolerance, "0.05": an API server takes no number with a fraction here.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleUp) || !has(self.scaleUp.tolerance) || type(self.scaleUp.tolerance) == int || size(self.scaleUp.tolerance) < 8",fieldPath=".scaleUp.tolerance",message="is too long for a tolerance: give one such as 0.05"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleDown) || !has(self.scaleDown.tolerance) || type(self.scaleDown.tolerance) == int || size(self.scaleDown.tolerance) < 8",fieldPath=".scaleDown.tolerance",message="is too long for a tolerance: give one such as 0.05"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleUp) || !has(self.scaleUp.stabilizationWindowSeconds) || (self.scaleUp.stabilizationWindowSeconds >= 0 && self.scaleUp.stabilizationWindowSeconds <= 3600)",fieldPath=".scaleUp.stabilizationWindowSeconds",messageExpression="'%d is out of range: give 0 to 3600'.format([self.scaleUp.stabilizationWindowSeconds])"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleUp) || !has(self.scaleUp.selectPolicy) || self.scaleUp.selectPolicy in ['Max', 'Min', 'Disabled']",fieldPath=".scaleUp.selectPolicy",message="is unknown: give Max, Min or Disabled, or leave it out"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleUp) || !has(self.scaleUp.policies) || (self.scaleUp.policies.size() > 0 && self.scaleUp.policies.all(p, p.type in ['Pods', 'Percent'] && p.value > 0 && p.periodSeconds > 0 && p.periodSeconds <= 1800))",fieldPath=".scaleUp.policies",message="give at least one, each of type Pods or Percent, with a value above 0 and periodSeconds from 1 to 1800"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleUp) || !has(self.scaleUp.tolerance) || (type(self.scaleUp.tolerance) == int ? self.scaleUp.tolerance >= 0 : (size(self.scaleUp.tolerance) >= 8 || [quantity(self.scaleUp.tolerance)].all(q, sign(q) >= 0)))",fieldPath=".scaleUp.tolerance",message="is no tolerance: give 0 or more, such as 0.05"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleDown) || !has(self.scaleDown.stabilizationWindowSeconds) || (self.scaleDown.stabilizationWindowSeconds >= 0 && self.scaleDown.stabilizationWindowSeconds <= 3600)",fieldPath=".scaleDown.stabilizationWindowSeconds",messageExpression="'%d is out of range: give 0 to 3600'.format([self.scaleDown.stabilizationWindowSeconds])"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleDown) || !has(self.scaleDown.selectPolicy) || self.scaleDown.selectPolicy in ['Max', 'Min', 'Disabled']",fieldPath=".scaleDown.selectPolicy",message="is unknown: give Max, Min or Disabled, or leave it out"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleDown) || !has(self.scaleDown.policies) || (self.scaleDown.policies.size() > 0 && self.scaleDown.policies.all(p, p.type in ['Pods', 'Percent'] && p.value > 0 && p.periodSeconds > 0 && p.periodSeconds <= 1800))",fieldPath=".scaleDown.policies",message="give at least one, each of type Pods or Percent, with a value above 0 and periodSeconds from 1 to 1800"
	// +kubebuilder:validation:XValidation:rule="!has(self.scaleDown) || !has(self.scaleDown.tolerance) || (type(self.scaleDown.tolerance) == int ? self.scaleDown.tolerance >= 0 : (size(self.scaleDown.tolerance) >= 8 || [quantity(self.scaleDown.tolerance)].all(q, sign(q) >= 0)))",fieldPath=".scaleDown.tolerance",message="is no tolerance: give 0 or more, such as 0.05"
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`

	// Schedules raise the minimum at times that are known in advance.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=20
	// +listType=map
	// +listMapKey=name
	Schedules []Schedule `json:"schedules,omitempty"`

	// Fallback raises the minimum while a metric of the HPA cannot be read. Without it
	// the HPA keeps the size that it has. It does not begin while the HPA does not look at
	// its metrics at all (Ready is False, HPAStopped): that takes a remedy, not pods.
	//
	// +optional
	Fallback *Fallback `json:"fallback,omitempty"`

	// Rollout says what holds while the target's pods are replaced by those of a new
	// revision, as a Deployment and a StatefulSet do it, or by those of another target that
	// targetRef names in its place, as with a ReplicaSet or ReplicationController. Nothing
	// is known about rollouts of other kinds.
	//
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// BlueGreen says that the target takes turns with another workload behind a Service.
	//
	// +optional
	BlueGreen *BlueGreen `json:"blueGreen,omitempty"`

	// Mode is Enforce; DryRun, which writes no HPA and says in the status what it would
	// do; or Paused, which keeps the HPA and lets no metric change the size. Only in
	// Enforce, and while the policy is valid, an edit of the HPA by hand is put right:
	// until then a maxReplicas that somebody changed there stays.
	//
	// +optional
	// +kubebuilder:default=Enforce
	// +kubebuilder:validation:Enum=Enforce;DryRun;Paused
	Mode Mode `json:"mode,omitempty"`

	// DeletionPolicy is what becomes of the HPA when the policy is deleted: Delete, or
	// Orphan, which leaves it without floors and without any mark of Loadline. A policy of
	// this name that is made later takes such an HPA over when it is annotated with
	// loadline.dev/adopt=NAME, as it does anybody's; until then it has a Conflict.
	//
	// +optional
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;Orphan
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// TargetReference names an object with a scale subresource in the policy's namespace.
//
// +kubebuilder:validation:XValidation:rule="!(self.kind in ['DaemonSet', 'Job', 'CronJob', 'Pod', 'HorizontalPodAutoscaler', 'AutoscalingPolicy'])",fieldPath=".kind",messageExpression="'a ' + self.kind + ' has no replica count to scale: name a Deployment, a StatefulSet or another kind with a scale subresource'"
// +kubebuilder:validation:XValidation:rule="!(self.kind in ['Deployment', 'StatefulSet', 'ReplicaSet']) || self.apiVersion.startsWith('apps/') || self.apiVersion.contains('.')",fieldPath=".apiVersion",messageExpression="self.apiVersion + ' has no ' + self.kind + ': give apps/v1'"
// +kubebuilder:validation:XValidation:rule="self.kind != 'ReplicationController' || self.apiVersion == 'v1' || self.apiVersion.contains('.')",fieldPath=".apiVersion",messageExpression="self.apiVersion + ' has no ReplicationController: give v1'"
// +kubebuilder:validation:XValidation:rule="self.apiVersion.contains('/') || self.kind in ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'Job', 'CronJob', 'Pod', 'HorizontalPodAutoscaler', 'AutoscalingPolicy']",fieldPath=".apiVersion",messageExpression="self.apiVersion + ' has no ' + self.kind + ' that can be scaled: give GROUP/VERSION of the kind'"
type TargetReference struct {
	// APIVersion of the target, for example apps/v1.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[a-z0-9]+$`
	APIVersion string `json:"apiVersion"`
	// Kind of the target, for example Deployment.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind"`
	// Name of the target.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Name string `json:"name"`
}

// Replicas are bounds of a size, both inclusive.
//
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",fieldPath=".min",messageExpression="(self.min == 2 ? 'min %d is above max %d; min is 2 where it is left out' : 'min %d is above max %d').format([self.min, self.max])"
type Replicas struct {
	// Min is the least number of pods; 2 if it is left out. 0 needs a cluster whose HPAs can scale to zero,
	// and an objective that can be read while no pod runs.
	//
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Min int32 `json:"min"`
	// Max is the greatest number of pods. Schedules and fallback do not go beyond it.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Max int32 `json:"max"`
}

// Profile is a named behavior of the HPA.
type Profile string

// The profiles. Balanced is used where none is named.
const (
	Steady     Profile = "Steady"
	Balanced   Profile = "Balanced"
	Responsive Profile = "Responsive"
)

// Mode is what Loadline does about a policy.
type Mode string

// The modes.
const (
	Enforce Mode = "Enforce"
	DryRun  Mode = "DryRun"
	Paused  Mode = "Paused"
)

// DeletionPolicy is what becomes of an HPA without its policy.
type DeletionPolicy string

// The deletion policies.
const (
	Delete DeletionPolicy = "Delete"
	Orphan DeletionPolicy = "Orphan"
)
