package webhook

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// AllowGreenCold on a Service, with a reason, has a change of its selector pass whatever
// the pods.
const AllowGreenCold = "loadline.dev/allow-40-green-cold"

// mode begins each message about a Service, as those of deploy/admission begin.
const mode = "40 green-cold: "

// selection is a change of a Service's selector that may lose ready pods.
type selection struct {
	namespace, service string
	was, is            map[string]string
	// allowed is the reason for which it is to pass anyway; empty without one.
	allowed string
}

// selectionOf reads it from a request; nil where nothing can be lost: where the selector
// is as it was, where none chose the pods before, and where none does after, which
// leaves the endpoints as they are.
func selectionOf(r *admissionv1.AdmissionRequest) (*selection, error) {
	if r.SubResource != "" || r.Operation != admissionv1.Update {
		return nil, nil
	}
	var was, is corev1.Service
	if err := json.Unmarshal(r.OldObject.Raw, &was); err != nil {
		return nil, fmt.Errorf("read the Service as it was: %w", err)
	}
	if err := json.Unmarshal(r.Object.Raw, &is); err != nil {
		return nil, fmt.Errorf("read the Service: %w", err)
	}
	switch {
	case maps.Equal(was.Spec.Selector, is.Spec.Selector), len(was.Spec.Selector) == 0, len(is.Spec.Selector) == 0:
		return nil, nil
	case was.Spec.Type == corev1.ServiceTypeExternalName, is.Spec.Type == corev1.ServiceTypeExternalName, is.DeletionTimestamp != nil:
		return nil, nil
	}
	return &selection{
		namespace: r.Namespace, service: r.Name, was: was.Spec.Selector, is: is.Spec.Selector,
		allowed: strings.TrimSpace(is.Annotations[AllowGreenCold]),
	}, nil
}

// claim is what policies say of a Service.
type claim struct {
	// by is a policy whose blue/green it is; empty if it is none's.
	by string
	// idle: that policy does nothing by itself at present (DryRun, Paused), and so
	// neither is refused anything for it.
	idle bool
}

// lost says what a selection that loses ready pods comes to. What serves nothing now has
// nothing to lose: a rollback from pods of which none is ready passes.
func (s *selection) lost(c claim, was, is int) Verdict {
	if is >= was {
		return Verdict{}
	}
	text := fmt.Sprintf("%s%d ready pods serve Service %s now, and %d would with the selector %s: fewer get the same load.",
		mode, was, s.service, is, labels.FormatLabels(s.is))
	if c.by == "" || c.idle {
		return Verdict{Warnings: []string{text + " Scale them up first."}}
	}
	return Verdict{Refused: fmt.Sprintf(
		"%s Scale them up and wait until they are ready, or annotate the Service %s with your reason (it is the blue/green of AutoscalingPolicy %s)",
		text, AllowGreenCold, c.by)}
}
