package convert

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// MaxBytes is the longest document that is read: no API server takes more than 3 MiB.
const MaxBytes = 3 << 20

// ReadHPA makes a policy of an HPA of autoscaling/v1 or v2 in one document of YAML or
// JSON; see FromV2. A field that is unknown or there twice is an Error, too.
func ReadHPA(document []byte) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	h, found := Read(document)
	if h == nil {
		return nil, found
	}
	return FromV2(h)
}

// Read returns the HPA of autoscaling/v1 or v2 in one document of YAML or JSON, as v2; nil
// with what is wrong with it.
func Read(document []byte) (*autoscalingv2.HorizontalPodAutoscaler, []hpa.Problem) {
	h, err := read(document)
	if err != nil {
		return nil, unreadable(err)
	}
	switch h := h.(type) {
	case *autoscalingv1.HorizontalPodAutoscaler:
		return toV2(h)
	case *autoscalingv2.HorizontalPodAutoscaler:
		return h, nil
	}
	return nil, unreadable(fmt.Errorf("it is a %s: give one HorizontalPodAutoscaler", h.GetObjectKind().GroupVersionKind().Kind))
}

// read decodes the only document.
func read(document []byte) (runtime.Object, error) {
	text, err := only(document)
	if err != nil {
		return nil, err
	}
	if err := hpa.CheckQuantities(text); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(autoscalingv1.AddToScheme(scheme), autoscalingv2.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true})
	object, got, err := decoder.Decode(text, nil, nil)
	switch {
	case runtime.IsMissingKind(err), runtime.IsMissingVersion(err):
		return nil, errors.New("it has no apiVersion or no kind")
	case runtime.IsNotRegisteredError(err):
		return nil, fmt.Errorf("it is a %s of %s: give a HorizontalPodAutoscaler of autoscaling/v1 or autoscaling/v2", got.Kind, got.GroupVersion())
	}
	return object, err
}

// only returns, as JSON, the only document that is not empty.
func only(document []byte) ([]byte, error) {
	if len(document) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(document), MaxBytes)
	}
	var found []byte
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(document))); ; {
		part, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF) && found == nil:
			return nil, errors.New("it is empty")
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, err
		}
		text, err := yaml.YAMLToJSONStrict(part)
		if err != nil {
			return nil, fmt.Errorf("it cannot be read: %w", err)
		}
		if string(text) == "null" {
			continue
		}
		if found != nil {
			return nil, errors.New("it is more than one document: give one")
		}
		found = text
	}
}

func unreadable(err error) []hpa.Problem {
	if p, ok := errors.AsType[hpa.Problem](err); ok {
		return []hpa.Problem{p}
	}
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return []hpa.Problem{{Level: hpa.Error, Message: err.Error()}}
	}
	var found []hpa.Problem
	for _, one := range strict.Errors() {
		found = append(found, hpa.Problem{Level: hpa.Error, Message: one.Error()})
	}
	return found
}
