package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The rules about targets look at a text's length before they read it as a quantity: to
// read 1e-2147483647, an API server would write it out, digit by digit, for minutes.
// With eight characters it takes a millisecond. To forbid the exponent by a regular
// expression is too dear: rules have a budget for the worst case.

// Objective is one thing that the size follows. Exactly one field is set.
//
// +kubebuilder:validation:ExactlyOneOf=requestRate;queue;cpu;memory;custom;external;query
type Objective struct {
	// RequestRate is requests a second, for each pod.
	//
	// +optional
	RequestRate *RequestRate `json:"requestRate,omitempty"`
	// Queue is the length of a queue that the pods work on together.
	//
	// +optional
	Queue *Queue `json:"queue,omitempty"`
	// CPU is what the pods use of it.
	//
	// +optional
	CPU *Resource `json:"cpu,omitempty"`
	// Memory is what the pods use of it. Few programs give memory back, so it rarely
	// scales in.
	//
	// +optional
	Memory *Resource `json:"memory,omitempty"`
	// Custom is any metric of custom.metrics.k8s.io, of the pods or of one object.
	//
	// +optional
	Custom *Custom `json:"custom,omitempty"`
	// External is any metric of external.metrics.k8s.io.
	//
	// +optional
	External *External `json:"external,omitempty"`
	// Query is a PromQL expression of this policy's own, over series of its namespace.
	//
	// +optional
	Query *Query `json:"query,omitempty"`
}

// RequestRate is requests a second, for each pod.
type RequestRate struct {
	// PerPod is how many requests a second one pod is meant to serve.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod resource.Quantity `json:"perPod"`
	// Metric is its name; http_requests_per_second if it is left out.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Metric string `json:"metric,omitempty"`
	// Selector picks among the metric's series by their labels, for example one handler.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Queue is the length of a queue that the pods work on together.
//
// +kubebuilder:validation:XValidation:rule="has(self.name) != has(self.selector)",message="give name or selector: a metric without either is the sum of all queues"
type Queue struct {
	// Name of the queue: the value of the metric's label queue.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`
	Name string `json:"name,omitempty"`
	// PerPod is how many waiting items one pod is meant to have before it.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod resource.Quantity `json:"perPod"`
	// Metric is its name; reminder_queue_depth if it is left out.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Metric string `json:"metric,omitempty"`
	// Selector picks the metric's series by other labels than queue.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Resource is what the pods use of cpu or memory.
//
// +kubebuilder:validation:ExactlyOneOf=utilization;perPod
type Resource struct {
	// Utilization is the percentage of the pods' requests. Every container that is
	// counted must have a request.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Utilization *int32 `json:"utilization,omitempty"`
	// PerPod is how much one pod is meant to use, for example 500m or 256Mi.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod *resource.Quantity `json:"perPod,omitempty"`
	// Container is the one container of each pod that counts; all if it is left out.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Container string `json:"container,omitempty"`
}

// Custom is a metric of custom.metrics.k8s.io.
//
// +kubebuilder:validation:ExactlyOneOf=perPod;value
// +kubebuilder:validation:XValidation:rule="!has(self.value) || has(self.object)",fieldPath=".value",message="value is for a metric of an object; of the pods give perPod"
type Custom struct {
	// Metric is its name.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Metric string `json:"metric"`
	// Selector picks among the metric's series by their labels.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// Object is what the metric describes; the pods if it is left out. It is in the policy's
	// namespace. Of kind Namespace it is that namespace itself, whatever the name: the HPA
	// controller asks for no other.
	//
	// +optional
	Object *ObjectReference `json:"object,omitempty"`
	// PerPod is the target for each pod: the average of the pods or, with an object,
	// the metric divided by the number of pods.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod *resource.Quantity `json:"perPod,omitempty"`
	// Value is the target for the metric as it is. Use it for what falls when pods are
	// added, such as a latency; for what does not, perPod.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	Value *resource.Quantity `json:"value,omitempty"`
}

// ObjectReference names an object that a metric describes: one in the policy's namespace,
// or that namespace.
type ObjectReference struct {
	// APIVersion of the object, for example v1.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[a-z0-9]+$`
	APIVersion string `json:"apiVersion"`
	// Kind of the object, for example Service.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind"`
	// Name of the object.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Name string `json:"name"`
}

// External is a metric of external.metrics.k8s.io.
//
// +kubebuilder:validation:ExactlyOneOf=perPod;value
type External struct {
	// Metric is its name.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && self != '.' && self != '..'",message="cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor .."
	Metric string `json:"metric"`
	// Selector picks the metric's series by their labels; what it picks is summed up.
	//
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
	// PerPod is the target for the metric divided by the number of pods.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod *resource.Quantity `json:"perPod,omitempty"`
	// Value is the target for the metric as it is. Use it for what falls when pods are
	// added, such as a latency; for what does not, perPod.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	Value *resource.Quantity `json:"value,omitempty"`
}

// Query is a PromQL expression of a policy's own. The administrator's matchers, the
// namespace first, are put on each of its selectors.
//
// +kubebuilder:validation:ExactlyOneOf=perPod;value
type Query struct {
	// Name tells the queries of a policy apart. The HPA's metric is
	// loadline-query.POLICY.NAME.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// Expr is the expression. Its result is a scalar or one series.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expr string `json:"expr"`
	// PerPod is the target for the result divided by the number of pods.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	PerPod *resource.Quantity `json:"perPod,omitempty"`
	// Value is the target for the result as it is. Use it for what falls when pods are
	// added, such as a latency; for what does not, perPod.
	// Quote a fraction, "0.5", or write thousandths, 500m: an API server takes no other.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 && self < 9000000000000000 : (size(self) < 9 || !self.matches('[eE]')) && [quantity(self)].all(q, sign(q) > 0 && q.isLessThan(quantity('9P')))",message="is no target: give a number above 0 and below 9e15"
	Value *resource.Quantity `json:"value,omitempty"`
}
