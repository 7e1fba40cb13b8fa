package guard

import (
	"fmt"
	"slices"
)

func emptyScaleSelector() Mode {
	return Mode{
		ID: 11, Name: "empty-scale-selector", Severity: Medium,
		Summary: "the CRD of the HPA's target does not say where its pod selector is",
		Why:     "without a selector in the scale subresource the HPA cannot find pods: ScalingActive is False with InvalidSelector (horizontal.go:436-440)",
		Remedy:  "set subresources.scale.labelSelectorPath in the CRD to a status field that has the selector of the pods as a string",
		Needs:   []Kind{HorizontalPodAutoscaler, Definition},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				d := w.defined[s.target.kind]
				if d == nil || !slices.ContainsFunc(d.Versions, func(v CustomVersion) bool { return v.Served && v.Scale }) ||
					slices.ContainsFunc(d.Versions, func(v CustomVersion) bool { return v.Served && v.Selector }) {
					continue
				}
				r.find(s.Object, s.field("spec.scaleTargetRef"), fmt.Sprintf("the CustomResourceDefinition %s has a scale subresource without labelSelectorPath", d.Name), definitionObject(d))
			}
		},
	}
}
