package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Policy returns the AutoscalingPolicy of a document, with the schema's defaults.
//
// Unread is what in the document cannot be read as a part of one. Where that tells
// nothing about the rest, a stand-in takes its place, so that the rest can be judged all
// the same; else the policy is nil. Other is what the schema forbids in what was read;
// hpa.Check has the same in better words.
func (s *Schema) Policy(d Document) (p *v1alpha1.AutoscalingPolicy, unread, other []hpa.Problem) {
	object := runtime.DeepCopyJSON(d.Object)
	s.Default(object)
	unread, other = s.Problems(object)
	whole := !slices.ContainsFunc(unread, func(p hpa.Problem) bool { return !alone(p) })
	for _, p := range unread {
		replace(object, steps(p.Field), nil)
	}
	unread = append(unread, metadata(object["metadata"])...)
	unread = hpa.Merge(unread, durations(object))
	of := quantities(object)
	unread = hpa.Merge(unread, of)
	// Where the schema says something of these as well, it says it with a pattern.
	other = hpa.Merge(of, other)[len(of):]
	if !whole {
		return nil, unread, other
	}
	p = &v1alpha1.AutoscalingPolicy{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, p); err != nil {
		if len(unread)+len(other) == 0 {
			// What the schema lets through and Go's types do not.
			unread = []hpa.Problem{{Level: hpa.Error, Message: err.Error()}}
		}
		return nil, unread, other
	}
	return p, unread, other
}

// alone reports whether a mistake tells nothing about the rest of the policy: a field
// that there is not, and what is wrong in a schedule, or with a number that is a target.
func alone(p hpa.Problem) bool {
	inSchedule := strings.HasPrefix(p.Field, "spec.schedules[") && strings.Contains(p.Field, "].")
	return p.Message == noField || p.Message == fraction || inSchedule
}

// quantities says which quantities cannot be read, or not before long: the schema's
// pattern lets 1e-2147483647 through. In object it puts 1 in their place.
func quantities(object map[string]any) []hpa.Problem {
	const one = int64(1)
	var found []hpa.Problem
	for {
		text, err := json.Marshal(object)
		if err != nil {
			return append(found, hpa.Problem{Level: hpa.Error, Message: err.Error()})
		}
		p, ok := errors.AsType[hpa.Problem](hpa.CheckQuantities(text))
		if !ok {
			return found
		}
		found = append(found, p)
		at := steps(p.Field)
		// Keys with dots can make one path of two fields.
		if valueAt(object, at) == any(one) || !replace(object, at, one) {
			return found
		}
	}
}

// replace puts a value in the place of a field that is there, nil for none, and reports
// whether it did.
func replace(value any, at []step, by any) bool {
	if len(at) == 0 {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		in, ok := v[at[0].key]
		switch {
		case !ok:
			return false
		case len(at) > 1:
			return replace(in, at[1:], by)
		case by == nil:
			delete(v, at[0].key)
		default:
			v[at[0].key] = by
		}
		return true
	case []any:
		return at[0].key == "" && at[0].index < len(v) && replace(v[at[0].index], at[1:], by)
	}
	return false
}

// durations says which durations are none, and takes them out of object. The schema
// knows them as strings.
func durations(object map[string]any) []hpa.Problem {
	var found []hpa.Problem
	check := func(in map[string]any, key, at string) {
		text, ok := in[key].(string)
		if !ok {
			return // absent, or the schema says so
		}
		if _, err := time.ParseDuration(text); err != nil {
			found = append(found, hpa.Problem{
				Level: hpa.Error, Field: at + "." + key, Message: fmt.Sprintf("%q is no duration", text), Remedy: "write hours, minutes and seconds as in 1h30m",
			})
			delete(in, key)
		}
	}
	spec, _ := object["spec"].(map[string]any)
	for _, one := range [][2]string{{"fallback", "after"}, {"rollout", "maxHold"}, {"blueGreen", "timeout"}, {"blueGreen", "soak"}} {
		if in, ok := spec[one[0]].(map[string]any); ok {
			check(in, one[1], "spec."+one[0])
		}
	}
	schedules, _ := spec["schedules"].([]any)
	for i, schedule := range schedules {
		if s, ok := schedule.(map[string]any); ok {
			check(s, "duration", fmt.Sprintf("spec.schedules[%d]", i))
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
