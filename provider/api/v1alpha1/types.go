package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Metric is a metric in a namespace: what gives it, and how that is which somebody wants of
// it there. Its name is that of the function Name, such as pods:http_requests_per_second or
// external:queue_depth.
//
// It has nothing of other namespaces: where reads share a query, it has the one that the read
// alone would be. Each replica of the adapter says what it has in its own memory.
//
// +kubebuilder:object:root=true
type Metric struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Time is when this was said. It is by the clock of the adapter, as are the other times
	// but the timestamps of values.
	Time metav1.Time `json:"time"`

	// API is the group that serves it: custom.metrics.k8s.io, external.metrics.k8s.io or
	// metrics.k8s.io.
	API string `json:"api"`

	// Resource is that of the described objects, with its group: pods, deployments.apps.
	// External metrics have none.
	//
	// +optional
	Resource string `json:"resource,omitempty"`

	// Metric is the name by which it is asked for.
	Metric string `json:"metric"`

	// Rule is what gives it; absent where nothing does, which problem explains.
	//
	// +optional
	Rule *Rule `json:"rule,omitempty"`

	// Problem is why nothing gives it.
	//
	// +optional
	Problem *Problem `json:"problem,omitempty"`

	// Reads are what somebody wants of it now, one for each distinct choice of objects and
	// series. Empty for a metric that is served and that nobody wants here.
	//
	// +listType=atomic
	Reads []Read `json:"reads"`

	// OmittedReads is how many more there are than fit into an answer.
	//
	// +optional
	OmittedReads int32 `json:"omittedReads,omitempty"`
}

// MetricList is a list of metrics. It may have fewer than were asked for, and then says where
// to go on, in metadata.continue.
//
// +kubebuilder:object:root=true
type MetricList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Metric `json:"items"`
}

// The origins of rules.
const (
	// OriginFile is the file of --config.
	OriginFile = "ConfigurationFile"
	// OriginBuiltIn are the rules that an adapter has which scrapes pods itself.
	OriginBuiltIn = "BuiltIn"
	// OriginPolicy is a query of an AutoscalingPolicy.
	OriginPolicy = "AutoscalingPolicy"
)

// Rule is what gives a metric: a rule of a configuration, or the query of an
// AutoscalingPolicy.
type Rule struct {
	// ID is its place in the configuration, such as rules[3] or
	// resourceRules.cpu.containerQuery. A query has none.
	//
	// +optional
	ID string `json:"id,omitempty"`

	// Section is that of the configuration in which it is: rules, externalRules or
	// resourceRules.
	//
	// +optional
	Section string `json:"section,omitempty"`

	// Index is its place in the section, from 0. Those of resourceRules have none.
	//
	// +optional
	Index *int32 `json:"index,omitempty"`

	// Origin is where it comes from: ConfigurationFile, BuiltIn or AutoscalingPolicy.
	Origin string `json:"origin"`

	// Policy is the name of the AutoscalingPolicy.
	//
	// +optional
	Policy string `json:"policy,omitempty"`

	// Query is the name of its query.
	//
	// +optional
	Query string `json:"query,omitempty"`

	// Source is the name of the source that is asked. That of the flags is called default,
	// and is what the adapter scrapes itself where no flag names one.
	Source string `json:"source"`

	// SeriesQuery is the selector by which series are found. Absent where none has to be.
	//
	// +optional
	SeriesQuery string `json:"seriesQuery,omitempty"`

	// Series is the one that gives the metric.
	//
	// +optional
	Series string `json:"series,omitempty"`

	// Template is the query as the configuration has it or, of a policy's, as it is sent.
	Template string `json:"template"`

	// MissingSince is when the series were first not found again. The metric is still
	// served, for a while. Absent while they are found.
	//
	// +optional
	MissingSince *metav1.Time `json:"missingSince,omitempty"`

	// Discovery is why the newest search for series had no answer, or not all of it. Absent
	// while it has.
	//
	// +optional
	Discovery *Problem `json:"discovery,omitempty"`
}

// Problem is why there is something not.
type Problem struct {
	// Reason is one of the words that loadline_reads_total has as outcomes, such as absent,
	// stale or source-failed.
	Reason string `json:"reason"`

	// Message is what happened, for people.
	Message string `json:"message"`

	// Remedy is what to do about it, for people.
	//
	// +optional
	Remedy string `json:"remedy,omitempty"`
}

// Read is what somebody wants of a metric.
type Read struct {
	// MetricSelector is on the labels of the series; empty for all.
	//
	// +optional
	MetricSelector string `json:"metricSelector,omitempty"`

	// Object is the name of the one object that is asked about.
	//
	// +optional
	Object string `json:"object,omitempty"`

	// ObjectSelector chooses several by their labels. With neither it is about all of the
	// namespace or, of an external metric, about none.
	//
	// +optional
	ObjectSelector string `json:"objectSelector,omitempty"`

	// HorizontalPodAutoscalers are the names of those of the namespace that reference it.
	//
	// +optional
	// +listType=atomic
	HorizontalPodAutoscalers []string `json:"horizontalPodAutoscalers,omitempty"`

	// OmittedHorizontalPodAutoscalers is how many more there are.
	//
	// +optional
	OmittedHorizontalPodAutoscalers int32 `json:"omittedHorizontalPodAutoscalers,omitempty"`

	// LastRead is when this adapter was asked for it last. Absent if it never was, and of
	// what has no namespace, of which others may have asked.
	//
	// +optional
	LastRead *metav1.Time `json:"lastRead,omitempty"`

	// Objects is how many live ones it is about; absent where that is not known, and of
	// external metrics.
	//
	// +optional
	Objects *int32 `json:"objects,omitempty"`

	// PromQL is what the source would be asked for this read alone. A long one is cut off.
	//
	// +optional
	PromQL string `json:"promQL,omitempty"`

	// Sharing is with how many other reads it is asked.
	//
	// +optional
	Sharing *Sharing `json:"sharing,omitempty"`

	// Interval is the time between two evaluations.
	//
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Evaluated is when the evaluation began that gave the values.
	//
	// +optional
	Evaluated *metav1.Time `json:"evaluated,omitempty"`

	// Attempted is when the newest evaluation began, which may have failed.
	//
	// +optional
	Attempted *metav1.Time `json:"attempted,omitempty"`

	// Window is the longest range that the query looks at.
	//
	// +optional
	Window *metav1.Duration `json:"window,omitempty"`

	// Values are what a reader gets now: first those with a problem, and each by object,
	// container and labels.
	//
	// +listType=atomic
	Values []Value `json:"values"`

	// OmittedValues is how many more there are than fit into an answer.
	//
	// +optional
	OmittedValues int32 `json:"omittedValues,omitempty"`

	// Problem is why a reader gets no value. Absence is not zero.
	//
	// +optional
	Problem *Problem `json:"problem,omitempty"`

	// Failing is why the newest evaluation failed while values of an earlier one serve.
	//
	// +optional
	Failing *Problem `json:"failing,omitempty"`

	// Warnings are what the source remarked on its answer.
	//
	// +optional
	// +listType=atomic
	Warnings []string `json:"warnings,omitempty"`
}

// Sharing is whether a read is asked together with others, which may be other namespaces'.
type Sharing struct {
	// OtherReads is how many others the evaluation that gave the values was for, too.
	OtherReads int32 `json:"otherReads"`

	// ToldApartBy are the labels by which each read finds its own in a common answer: the
	// query's syntax tree proves that this is what its own query would give.
	//
	// +optional
	// +listType=atomic
	ToldApartBy []string `json:"toldApartBy,omitempty"`

	// Alone is why it is not asked together with others but equal ones.
	//
	// +optional
	Alone string `json:"alone,omitempty"`
}

// Value is one value of a read, or why there is none.
type Value struct {
	// Object is the name of the described object.
	//
	// +optional
	Object string `json:"object,omitempty"`

	// Container is that of the pod whose value it is, in metrics.k8s.io.
	//
	// +optional
	Container string `json:"container,omitempty"`

	// Labels are those of the series of an external metric. Those of a rule that is not bound
	// to the namespace (namespaced: false) are left out, for they can name others.
	//
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Value is absent where problem says why.
	//
	// +optional
	Value *resource.Quantity `json:"value,omitempty"`

	// Timestamp is the time of evaluation by the source's clock.
	//
	// +optional
	Timestamp *metav1.Time `json:"timestamp,omitempty"`

	// Problem is why the answer of the source has no usable value.
	//
	// +optional
	Problem *Problem `json:"problem,omitempty"`
}
