package metric

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// API is one of the Kubernetes metrics APIs.
type API string

// The APIs an Identifier can belong to. They are also label values of our own
// metrics, so they stay short and few.
const (
	Custom   API = "custom"
	External API = "external"
	// Resource is metrics.k8s.io, whose metrics are cpu and memory.
	Resource API = "resource"
)

// The metrics of Resource, by the names that its answers give them.
const (
	CPU    = "cpu"
	Memory = "memory"
)

// OfObjects says whether the API's metrics describe objects.
func (a API) OfObjects() bool { return a != External }

// Identifier names one thing a reader can ask for: everything that decides what
// the answer is, and nothing else. Two requests with equal identifiers get equal
// answers, so it is the key of demand and store. It is comparable.
//
// Selectors are held in the canonical form of labels.Selector.String (sorted by
// key), so that requests which differ only in spelling are equal.
type Identifier struct {
	API    API
	Metric string

	// Namespace of the described objects (custom, resource) or of the request
	// (external). Empty for root-scoped objects, Namespace objects among them.
	Namespace string

	// Resource of the described objects, plural; zero for External.
	Resource schema.GroupResource
	// Name of the one described object. Empty when Selector chooses them.
	Name string
	// Selector on the labels of the described objects; meaningless when Name
	// is set. Empty selects all.
	Selector string

	// MetricSelector on the labels of the metric itself.
	MetricSelector string
}

// QueryPrefix begins the names of the external metrics that are queries of
// AutoscalingPolicies, and of no others.
const QueryPrefix = "loadline-query."

// String is for logs and error messages.
func (i Identifier) String() string {
	var b strings.Builder
	b.WriteString(string(i.API))
	if i.Namespace != "" {
		b.WriteString("/namespaces/" + i.Namespace)
	}
	if i.API.OfObjects() {
		b.WriteString("/" + i.Resource.String())
		if i.Name != "" {
			b.WriteString("/" + i.Name)
		} else {
			b.WriteString("/*")
		}
	}
	b.WriteString("/" + i.Metric)
	sep := "?"
	if i.Name == "" && i.Selector != "" {
		b.WriteString(sep + "labelSelector=" + i.Selector)
		sep = "&"
	}
	if i.MetricSelector != "" {
		b.WriteString(sep + "metricLabelSelector=" + i.MetricSelector)
	}
	return b.String()
}

// Object is a live object that metrics may describe.
type Object struct {
	Namespace, Name string
	Labels          labels.Set // shared: it must not be changed
}
