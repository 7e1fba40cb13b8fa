package guard

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func targetUnscalable() Mode {
	return Mode{
		ID: 2, Name: "target-unscalable", Severity: Medium,
		Summary: "the HPA's target is of a kind that has no replica count to scale",
		Why:     "an HPA reads and writes the scale subresource of its target; a kind without one gives FailedGetScale",
		Remedy:  "name a Deployment, a StatefulSet, or another kind with a scale subresource; a CRD gets one by subresources.scale",
		Needs:   []Kind{HorizontalPodAutoscaler},
		Also:    []Kind{Definition},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				field := s.field("spec.scaleTargetRef.kind")
				if unscalableKind(s.target.kind) {
					r.find(s.Object, field, fmt.Sprintf("a %s has no scale subresource", s.hpa.Spec.ScaleTargetRef.Kind))
					continue
				}
				d := w.defined[s.target.kind]
				if d != nil && !slices.ContainsFunc(d.Versions, func(v CustomVersion) bool { return v.Served && v.Scale }) {
					r.find(s.Object, field, fmt.Sprintf("the CustomResourceDefinition %s has no scale subresource", d.Name), definitionObject(d))
				}
			}
		},
	}
}

func definitionObject(d *CustomDefinition) Object {
	return Object{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: d.Name}
}

// unscalableKind says whether a kind of Kubernetes itself has no scale.
func unscalableKind(k Kind) bool {
	return slices.Contains([]Kind{DaemonSet, Job, CronJob, Pod, Service, HorizontalPodAutoscaler, AutoscalingPolicy, ScaledObject, "DaemonSet.extensions", "Node", "ConfigMap", "Namespace"}, k)
}

func wrongGroupKind() Mode {
	return Mode{
		ID: 3, Name: "wrong-group-kind", Severity: Medium,
		Summary: "the API group or the kind of the HPA's target is misspelt",
		Why:     "the HPA maps group and kind to a resource, letter by letter, and ignores the version (horizontal.go:857-867): what is not mapped gives FailedGetScale",
		Remedy:  "write apiVersion and kind as kubectl api-resources has them",
		Needs:   []Kind{HorizontalPodAutoscaler},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				want := wrongKind(w, s)
				if want == "" {
					continue
				}
				t := s.hpa.Spec.ScaleTargetRef
				gk := want.GroupKind()
				field, text := "spec.scaleTargetRef.apiVersion", fmt.Sprintf("there is no %s in %q", t.Kind, t.APIVersion)
				if gk.Kind != t.Kind {
					field, text = "spec.scaleTargetRef.kind", fmt.Sprintf("there is no kind %s in %q", t.Kind, t.APIVersion)
				}
				version := schema.GroupVersion{Group: gk.Group, Version: "v1"}
				remedy := fmt.Sprintf("write apiVersion: %s and kind: %s", version, gk.Kind)
				if unscalableKind(want) {
					remedy = fmt.Sprintf("name something that can be scaled, such as a Deployment: a %s, if that is meant, cannot", gk.Kind)
				}
				r.advise(s.Object, s.field(field), text, remedy)
			}
		},
	}
}

// wrongKind is the kind that a target reference means, where what it says cannot be one:
// groups without a dot are Kubernetes' own, so that it is known what is in them. A CRD of
// the snapshot may have any.
func wrongKind(w *world, s *scaler) Kind {
	t := s.hpa.Spec.ScaleTargetRef
	gvk := schema.FromAPIVersionAndKind(t.APIVersion, t.Kind)
	if strings.Contains(gvk.Group, ".") && !strings.HasSuffix(gvk.Group, "apps.k8s.io") || w.defined[s.target.kind] != nil || unscalableKind(s.target.kind) {
		return ""
	}
	known := []Kind{Deployment, StatefulSet, ReplicaSet, ReplicationController}
	if slices.Contains(known, s.target.kind) {
		return ""
	}
	for _, k := range append(known, DaemonSet, Job, CronJob) {
		if means(t.Kind, k.GroupKind().Kind) {
			return k
		}
	}
	return ""
}

// means says whether a word is a kind, its plural, or the kind with a slip in it.
func means(word, kind string) bool {
	word, kind = strings.ToLower(word), strings.ToLower(kind)
	return word == kind || word == kind+"s" || len(word) > 6 && distance(word, kind) <= 2
}

// distance is how many letters have to be put in, taken out or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
