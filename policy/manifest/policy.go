package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	strictjson "sigs.k8s.io/json"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// IsPolicy reports whether a document is an AutoscalingPolicy of a version that this
// program reads.
func (d Document) IsPolicy() bool {
	return d.GroupVersionKind() == v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)
}

// Policy returns the AutoscalingPolicy of a document, with the schema's defaults. It is
// nil where the document cannot be read as one, and the problems say why. Other
// problems are what the schema forbids in a policy that can be read; hpa.Check has the
// same in better words.
func (s *Schema) Policy(d Document) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	object := runtime.DeepCopyJSON(d.Object)
	s.Default(object)
	shape, other := s.Problems(object)
	shape = append(shape, metadata(object["metadata"])...)
	shape = append(shape, durations(object)...)
	if len(shape) > 0 {
		return nil, append(shape, other...)
	}
	if p := quantities(object); p != nil {
		// Where the schema says it as well, it says it with a pattern.
		other = slices.DeleteFunc(other, func(o hpa.Problem) bool { return o.Field == p.Field })
		return nil, append(other, *p)
	}
	var p v1alpha1.AutoscalingPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &p); err != nil {
		if len(other) > 0 {
			return nil, other
		}
		// What the schema lets through and Go's types do not.
		return nil, []hpa.Problem{{Level: hpa.Error, Message: err.Error()}}
	}
	return &p, other
}

// quantities says which quantity cannot be read, or not before long: the schema's
// pattern lets 1e-2147483647 through.
func quantities(object map[string]any) *hpa.Problem {
	text, err := json.Marshal(object)
	if err != nil {
		return &hpa.Problem{Level: hpa.Error, Message: err.Error()}
	}
	if p, ok := errors.AsType[hpa.Problem](hpa.CheckQuantities(text)); ok {
		return &p
	}
	return nil
}

// durations says which durations are none. The schema knows them as strings.
func durations(object map[string]any) []hpa.Problem {
	var found []hpa.Problem
	check := func(value any, at string) {
		text, ok := value.(string)
		if !ok {
			return // absent, or the schema says so
		}
		if _, err := time.ParseDuration(text); err != nil {
			found = append(found, hpa.Problem{
				Level: hpa.Error, Field: at, Message: fmt.Sprintf("%q is no duration", text), Remedy: "write hours, minutes and seconds as in 1h30m",
			})
		}
	}
	spec, _ := object["spec"].(map[string]any)
	if fallback, ok := spec["fallback"].(map[string]any); ok {
		check(fallback["after"], "spec.fallback.after")
	}
	schedules, _ := spec["schedules"].([]any)
	for i, schedule := range schedules {
		if s, ok := schedule.(map[string]any); ok {
			check(s["duration"], fmt.Sprintf("spec.schedules[%d].duration", i))
		}
	}
	return found
}

// metadata says what is wrong with an object's metadata, of which the CRD has no schema.
func metadata(value any) []hpa.Problem {
	data, err := json.Marshal(value)
	if err != nil {
		return []hpa.Problem{{Level: hpa.Error, Field: "metadata", Message: err.Error()}}
	}
	var meta metav1.ObjectMeta
	unknownFields, err := strictjson.UnmarshalStrict(data, &meta)
	if err != nil {
		return []hpa.Problem{{Level: hpa.Error, Field: "metadata", Message: err.Error()}}
	}
	var found []hpa.Problem
	for _, err := range unknownFields {
		found = append(found, hpa.Problem{Level: hpa.Error, Field: "metadata", Message: err.Error()})
	}
	if meta.Name == "" {
		return append(found, hpa.Problem{Level: hpa.Error, Field: "metadata.name", Message: "it is missing", Remedy: "the HPA gets the same name, so give one"})
	}
	if meta.Namespace == "" {
		meta.Namespace = metav1.NamespaceDefault // the reader of the file says which
	}
	for _, err := range apivalidation.ValidateObjectMeta(&meta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata")) {
		found = append(found, hpa.Problem{Level: hpa.Error, Field: err.Field, Message: fmt.Sprintf("%q: %s", err.BadValue, err.Detail)})
	}
	return found
}
