package guard

import (
	"fmt"
	"slices"
	"strings"
)

func brokenRefPause() Mode {
	return Mode{
		ID: 44, Name: "broken-ref-pause", Severity: High,
		Summary: "the HPA is paused by a target name that does not exist",
		Why:     "an HPA without a target scales neither in nor out, and enforces neither minReplicas nor maxReplicas: the load may grow, and nothing follows",
		Remedy:  "name the target again; to stop only the scale-in raise minReplicas, or set behavior.scaleDown.selectPolicy: Disabled",
		Needs:   append([]Kind{HorizontalPodAutoscaler}, Workloads()...),
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				if t := w.paused(s); t != nil {
					r.find(s.Object, s.field("spec.scaleTargetRef.name"), fmt.Sprintf("there is no %s, and there is %s, which nothing scales", s.targetName(), names([]*workload{t})), t.Object)
				}
			}
		},
	}
}

// paused is the workload that a target reference was bent away from to pause the HPA;
// nil if it does not look so. It does where the HPA named it before the change, and where
// the name is that of a workload with a word for it before or behind.
func (w *world) paused(s *scaler) *workload {
	if there, known := w.exists(s.target); there || !known || s.of != nil {
		return nil
	}
	free := func(name string) *workload {
		t := w.byKey[key{kind: s.target.kind, namespace: s.target.namespace, name: name}]
		if t == nil || len(w.byTarget[t.target()]) > 0 {
			return nil
		}
		return t
	}
	if w.old != nil {
		if before := w.old.named[s.key()]; before != nil && before.target.kind == s.target.kind {
			if t := free(before.target.name); t != nil {
				return t
			}
		}
	}
	parts := strings.FieldsFunc(s.target.name, func(c rune) bool { return c == '-' || c == '.' })
	for _, end := range []int{0, len(parts) - 1} {
		if len(parts) > 1 && pauseWord(parts[end]) {
			rest := strings.Trim(strings.Replace(s.target.name, parts[end], "", 1), "-.")
			if end > 0 {
				rest = strings.TrimRight(strings.TrimSuffix(s.target.name, parts[end]), "-.")
			}
			if t := free(rest); t != nil {
				return t
			}
		}
	}
	return nil
}

func pauseWord(word string) bool {
	return slices.Contains([]string{"pause", "paused", "disable", "disabled", "off", "stop", "stopped", "suspend", "suspended", "frozen", "hold", "none", "x"}, word)
}
