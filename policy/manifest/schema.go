package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	openapierrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/hpa"
)

// Schema is that of a version of a CustomResourceDefinition.
type Schema struct {
	root      *spec.Schema
	validator *validate.SchemaValidator
}

// NewSchema takes the schema of a version out of a CustomResourceDefinition in YAML.
func NewSchema(crd, version string) (*Schema, error) {
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema json.RawMessage }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(crd), &definition); err != nil {
		return nil, err
	}
	for _, v := range definition.Spec.Versions {
		if v.Name != version {
			continue
		}
		var root spec.Schema
		if err := json.Unmarshal(v.Schema.OpenAPIV3Schema, &root); err != nil {
			return nil, err
		}
		// controller-gen writes it as an anyOf as well, which would say each mistake thrice.
		each(&root, func(s *spec.Schema) {
			if is, _ := s.Extensions.GetBool("x-kubernetes-int-or-string"); is {
				s.Type, s.AnyOf = spec.StringOrArray{"integer", "string"}, nil
			}
		})
		return &Schema{root: &root, validator: validate.NewSchemaValidator(&root, nil, "", strfmt.Default)}, nil
	}
	return nil, fmt.Errorf("the CustomResourceDefinition has no version %s", version)
}

// each calls f with s and all schemas of its properties and items.
func each(s *spec.Schema, f func(*spec.Schema)) {
	f(s)
	for _, name := range slices.Collect(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		each(&property, f)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		each(s.Items.Schema, f)
	}
}

// Default fills the schema's defaults into object, in place. As on the API server, a
// default goes only into an object that is there, and null counts as left out.
func (s *Schema) Default(object map[string]any) { fill(object, s.root) }

func fill(value any, s *spec.Schema) {
	switch v := value.(type) {
	case map[string]any:
		for name, property := range s.Properties {
			if v[name] == nil && property.Default != nil {
				v[name] = runtime.DeepCopyJSONValue(whole(property.Default))
			}
			fill(v[name], &property)
		}
	case []any:
		if s.Items != nil && s.Items.Schema != nil {
			for _, item := range v {
				fill(item, s.Items.Schema)
			}
		}
	}
}

// whole makes the number that encoding/json read an integer, where it is one.
func whole(v any) any {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return int64(f)
	}
	return v
}

// Problems returns what is in object that the schema does not allow. Shape is what
// keeps it from being read as a policy at all: fields that are unknown or missing, and
// values of another type. The rest, such as bounds, is in other.
func (s *Schema) Problems(object map[string]any) (shape, other []hpa.Problem) {
	shape = unknown(object, s.root, "")
	for _, err := range s.validator.Validate(object).Errors {
		p, ofShape := problem(err)
		if f, ok := valueAt(object, steps(p.Field)).(float64); ok && ofShape && strings.Contains(p.Message, intOrString) {
			p.Message, p.Remedy = fraction, quoted(f)
		}
		if ofShape {
			shape = append(shape, p)
		} else {
			other = append(other, p)
		}
	}
	return shape, other
}

// intOrString is how the validator names the type of a quantity.
const intOrString = "integer,string"

// Messages by which a mistake is known.
const (
	noField  = "there is no such field"
	fraction = "it is a number with a fraction, which an API server takes in no custom resource"
)

// quoted is the remedy for a target that is written as a number with a fraction.
func quoted(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	remedy := fmt.Sprintf("quote it, %q", text)
	if q, err := hpa.ParseQuantity(text); err == nil && q.String() != text {
		remedy += ", or write " + q.String()
	}
	return remedy
}

// valueAt returns what is at a path, nil if there is nothing.
func valueAt(value any, at []step) any {
	for _, s := range at {
		switch v := value.(type) {
		case map[string]any:
			value = v[s.key]
		case []any:
			if s.key != "" || s.index >= len(v) {
				return nil
			}
			value = v[s.index]
		default:
			return nil
		}
	}
	return value
}

func problem(err error) (p hpa.Problem, ofShape bool) {
	p = hpa.Problem{Level: hpa.Error, Message: err.Error()}
	var v *openapierrors.Validation
	if !errors.As(err, &v) {
		return p, true
	}
	p.Field = strings.TrimPrefix(v.Name, ".")
	p.Message = strings.TrimPrefix(strings.TrimPrefix(p.Message, v.Name), " in body ")
	if v.Code() == openapierrors.RequiredFailCode {
		p.Message, p.Remedy = "it is missing", "give it"
	}
	return p, v.Code() == openapierrors.RequiredFailCode || v.Code() == openapierrors.InvalidTypeCode
}

// unknown returns the fields that the schema does not have. An object without
// properties, such as metadata, is not looked into.
func unknown(value any, s *spec.Schema, at string) []hpa.Problem {
	var found []hpa.Problem
	switch v := value.(type) {
	case map[string]any:
		if len(s.Properties) == 0 {
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			property, ok := s.Properties[name]
			if !ok {
				found = append(found, hpa.Problem{
					Level: hpa.Error, Field: join(at, name), Message: noField,
					Remedy: "the fields here are " + strings.Join(slices.Sorted(maps.Keys(s.Properties)), ", "),
				})
				continue
			}
			found = append(found, unknown(v[name], &property, join(at, name))...)
		}
	case []any:
		if s.Items == nil || s.Items.Schema == nil {
			return nil
		}
		for i, item := range v {
			found = append(found, unknown(item, s.Items.Schema, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return found
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
