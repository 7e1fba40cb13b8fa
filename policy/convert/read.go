package convert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// MaxBytes is the longest document that is read: no API server takes more than 3 MiB.
const MaxBytes = 3 << 20

// ReadPolicy reads a policy from one document of YAML or JSON, with the defaults of the
// CRD's schema filled in, or returns nil and what is wrong with the document: a field
// that is unknown or there twice, too. It does not call hpa.Check.
func ReadPolicy(document []byte) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	p, err := read(document, v1alpha1.AddToScheme, fillIn)
	if err != nil {
		return nil, unreadable(err)
	}
	policy, ok := p.(*v1alpha1.AutoscalingPolicy)
	if !ok {
		return nil, unreadable(fmt.Errorf("it is a list: give one %s", v1alpha1.Kind))
	}
	return policy, nil
}

// ReadHPA makes a policy of an HPA of autoscaling/v1 or v2 in one document of YAML or
// JSON; see FromV2.
func ReadHPA(document []byte) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	h, err := read(document, addHPAs, func(map[string]any) error { return nil })
	if err != nil {
		return nil, unreadable(err)
	}
	switch h := h.(type) {
	case *autoscalingv1.HorizontalPodAutoscaler:
		return FromV1(h)
	case *autoscalingv2.HorizontalPodAutoscaler:
		return FromV2(h)
	}
	return nil, unreadable(errors.New("it is no HorizontalPodAutoscaler"))
}

func addHPAs(s *runtime.Scheme) error {
	return errors.Join(autoscalingv1.AddToScheme(s), autoscalingv2.AddToScheme(s))
}

// fillIn sets what the schema has a default for, where it is left out, and refuses
// targets that the schema does.
func fillIn(policy map[string]any) error {
	spec, ok := policy["spec"].(map[string]any)
	if !ok {
		return errors.New("it has no spec")
	}
	set := func(in any, key string, value any) {
		// A null that has a default is dropped before, as if it were not there.
		if m, ok := in.(map[string]any); ok && m[key] == nil {
			m[key] = value
		}
	}
	set(spec["replicas"], "min", defaultMin)
	set(spec["fallback"], "after", "2m")
	set(spec, "mode", string(v1alpha1.Enforce))
	set(spec, "deletionPolicy", string(v1alpha1.Delete))
	return fractions("spec.objectives", spec["objectives"])
}

// fractions refuses targets that are a number but no integer: to the schema they are
// none, though Quantity reads them.
func fractions(path string, node any) error {
	switch n := node.(type) {
	case []any:
		for i, of := range n {
			if err := fractions(fmt.Sprintf("%s[%d]", path, i), of); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			at := path + "." + key
			if number, ok := n[key].(json.Number); ok && (key == "perPod" || key == "value") && strings.ContainsAny(number.String(), ".eE") {
				return fmt.Errorf("%s: %s is no integer: write \"%s\", in quotes", at, number, number)
			}
			if err := fractions(at, n[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// read decodes one document into one of the types that add knows.
func read(document []byte, add func(*runtime.Scheme) error, edit func(map[string]any) error) (runtime.Object, error) {
	tree, err := one(document)
	if err != nil {
		return nil, err
	}
	if err := edit(tree); err != nil {
		return nil, err
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	if err := hpa.CheckQuantities(text); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := add(scheme); err != nil {
		return nil, err
	}
	strict := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Strict: true})
	object, got, err := strict.Decode(text, nil, nil)
	switch {
	case runtime.IsMissingKind(err), runtime.IsMissingVersion(err):
		return nil, errors.New("it has no apiVersion or no kind")
	case runtime.IsNotRegisteredError(err):
		return nil, fmt.Errorf("it is %s of %s: give %s", got.Kind, got.GroupVersion(), kinds(scheme))
	}
	return object, err
}

// kinds names what a scheme can read.
func kinds(scheme *runtime.Scheme) string {
	var names []string
	for gvk := range scheme.AllKnownTypes() {
		if gvk.Kind == v1alpha1.Kind || gvk.Kind == "HorizontalPodAutoscaler" {
			names = append(names, gvk.Kind+" of "+gvk.GroupVersion().String())
		}
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}

// one reads the only document that is not empty.
func one(document []byte) (map[string]any, error) {
	if len(document) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(document), MaxBytes)
	}
	var tree map[string]any
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(document))); ; {
		part, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		next, err := object(part)
		if err != nil {
			return nil, err
		}
		if next != nil && tree != nil {
			return nil, errors.New("it is more than one document: give one")
		}
		if next != nil {
			tree = next
		}
	}
	if tree == nil {
		return nil, errors.New("it is empty")
	}
	return tree, nil
}

// object keeps numbers as they are; nil if there is nothing.
func object(part []byte) (map[string]any, error) {
	text, err := yaml.YAMLToJSONStrict(part)
	if err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("it is no object: %w", err)
	}
	return out, nil
}

func unreadable(err error) []hpa.Problem {
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		var found []hpa.Problem
		for _, one := range strict.Errors() {
			found = append(found, hpa.Problem{Level: hpa.Error, Message: one.Error()})
		}
		return found
	}
	return []hpa.Problem{{Level: hpa.Error, Message: err.Error()}}
}
