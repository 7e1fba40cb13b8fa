package guard

import (
	"fmt"
)

func twoWriters() Mode {
	return Mode{
		ID: 7, Name: "two-writers", Severity: Critical,
		Summary: "two HPAs scale one target",
		Why: "each HPA clamps the size to its own bounds before it looks for others on the same pods (horizontal.go:925-933), so two that do not overlap " +
			"write in turn for ever; inside the bounds both stop with AmbiguousSelector (horizontal.go:462-468)",
		Remedy: "keep one of them, with the metrics of both: of several metrics an HPA takes the one that asks for the most pods",
		Needs:  []Kind{HorizontalPodAutoscaler},
		Also:   Scalers(),
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				all := w.byTarget[s.target]
				if len(all) < 2 || all[0] == s {
					continue // said of the others
				}
				first := all[0]
				what := "both stop"
				if s.min() > first.max() || first.min() > s.max() {
					what = "their bounds do not meet, so that they write in turn for ever"
				}
				r.find(s.Object, s.field("spec.scaleTargetRef"), fmt.Sprintf("%s scales the %s, too (from %d to %d, this one from %d to %d): %s",
					first.Object, s.targetName(), first.min(), first.max(), s.min(), s.max(), what), first.Object)
			}
		},
	}
}
