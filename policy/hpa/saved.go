package hpa

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// MaxSaved is how many bytes Save writes and Restore reads. All annotations of an object
// together may have 256 KiB, and kubectl's copy of the same spec is among them.
const MaxSaved = 100 << 10

// Save writes an HPA's spec down for an annotation, so that Restore gives it back. It
// fails for one that is longer than MaxSaved.
func Save(spec autoscalingv2.HorizontalPodAutoscalerSpec) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	if len(text) > MaxSaved {
		return "", fmt.Errorf("the spec has %d bytes, more than the %d that an annotation is given", len(text), MaxSaved)
	}
	return string(text), nil
}

// Restore reads what Save wrote. People can edit an annotation: what no API server would
// take as a spec is an error, and so is a field that this version does not know, rather
// than a spec with a part of it lost.
func Restore(saved string) (autoscalingv2.HorizontalPodAutoscalerSpec, error) {
	var spec autoscalingv2.HorizontalPodAutoscalerSpec
	if err := decodeSaved(saved, "spec", &spec); err != nil {
		return autoscalingv2.HorizontalPodAutoscalerSpec{}, err
	}
	if err := usable(&spec); err != nil {
		return autoscalingv2.HorizontalPodAutoscalerSpec{}, fmt.Errorf("the saved spec is not that of an HPA: %w", err)
	}
	return spec, nil
}

// SaveBehavior writes an HPA's behavior down as Save does a spec. One without is null.
func SaveBehavior(b *autoscalingv2.HorizontalPodAutoscalerBehavior) (string, error) {
	text, err := json.Marshal(b)
	if err == nil && len(text) > MaxSaved {
		err = fmt.Errorf("the behavior has %d bytes, more than the %d that an annotation is given", len(text), MaxSaved)
	}
	if err != nil {
		return "", err
	}
	return string(text), nil
}

// RestoreBehavior reads what SaveBehavior wrote, as strictly as Restore; nil is an HPA
// without behavior.
func RestoreBehavior(saved string) (*autoscalingv2.HorizontalPodAutoscalerBehavior, error) {
	var b *autoscalingv2.HorizontalPodAutoscalerBehavior
	if err := decodeSaved(saved, "behavior", &b); err != nil {
		return nil, err
	}
	if b == nil {
		return nil, nil
	}
	for _, rules := range []*autoscalingv2.HPAScalingRules{b.ScaleUp, b.ScaleDown} {
		if rules == nil {
			continue
		}
		for i, p := range rules.Policies {
			if p.Value < 1 || p.PeriodSeconds < 1 {
				return nil, fmt.Errorf("the saved behavior is not that of an HPA: policies[%d] takes %d every %d s", i, p.Value, p.PeriodSeconds)
			}
		}
	}
	return b, nil
}

// decodeSaved reads the JSON of an annotation into what it is of, and nothing besides.
func decodeSaved(saved, what string, into any) error {
	if len(saved) > MaxSaved {
		return fmt.Errorf("the saved %s has %d bytes, more than %d", what, len(saved), MaxSaved)
	}
	if err := CheckQuantities([]byte(saved)); err != nil {
		return fmt.Errorf("the saved %s is not that of an HPA: %w", what, err)
	}
	decoder := json.NewDecoder(strings.NewReader(saved))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the saved %s is not that of an HPA: %w", what, err)
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the saved %s is followed by something else", what)
	}
	return nil
}

// usable refuses what would make an HPA of another size or target than any that was
// saved. The rest is the API server's to check.
func usable(spec *autoscalingv2.HorizontalPodAutoscalerSpec) error {
	switch {
	case spec.ScaleTargetRef.Kind == "" || spec.ScaleTargetRef.Name == "":
		return errors.New("scaleTargetRef names no target")
	case spec.MaxReplicas < 1:
		return fmt.Errorf("maxReplicas is %d", spec.MaxReplicas)
	case spec.MinReplicas != nil && (*spec.MinReplicas < 0 || *spec.MinReplicas > spec.MaxReplicas):
		return fmt.Errorf("minReplicas is %d, maxReplicas %d", *spec.MinReplicas, spec.MaxReplicas)
	}
	for i := range spec.Metrics {
		if TargetOf(&spec.Metrics[i]) == nil {
			return fmt.Errorf("metrics[%d] has no source", i)
		}
	}
	return nil
}
