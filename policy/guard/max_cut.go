package guard

import "fmt"

func maxCutCliff() Mode {
	return Mode{
		ID: 46, Name: "max-cut-cliff", Severity: Critical,
		Summary: "maxReplicas is lowered: what is above goes at once",
		Why:     "a size above maxReplicas is set to it at the next sync, with no metric, window or policy in between (horizontal.go:925-929)",
		Remedy:  "lower it in steps, each at least a window after the one before, and never below the size that the load needs now",
		Needs:   []Kind{HorizontalPodAutoscaler},
		Change:  true,
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				before := w.old.named[s.key()]
				if before == nil || s.max() >= before.max() {
					continue
				}
				text := fmt.Sprintf("it is lowered from %d to %d", before.max(), s.max())
				if now := w.running(s, before); w.Source == Live {
					if now <= s.max() {
						continue
					}
					text += fmt.Sprintf(", and the %s has %d pods: %d of them end at once", s.targetName(), now, now-s.max())
				} else {
					text += fmt.Sprintf(": if the %s has more than %d pods at that moment, the others end at once", s.targetName(), s.max())
				}
				r.find(s.Object, s.field("spec.maxReplicas"), text)
			}
		},
	}
}

// running is how many replicas a target has.
func (w *world) running(s, before *scaler) int32 {
	if s.of != nil {
		return s.of.size()
	}
	return before.hpa.Status.CurrentReplicas
}

func historyLost() Mode {
	return Mode{
		ID: 52, Name: "history-lost", Severity: High,
		Summary: "the HPA of a target is replaced by one of another name",
		Why: "what the HPA controller remembers for the scale-in window and for rates is in its memory, under the HPA's name: a new one begins without, " +
			"and may scale in at its first low sample",
		Remedy: "keep the name and change the HPA in place; otherwise change it at a quiet time, with minReplicas at the present size for one window",
		Needs:  []Kind{HorizontalPodAutoscaler},
		Change: true,
		check: func(w *world, r *result) {
			now := map[string]bool{}
			for _, s := range w.scalers {
				now[s.Namespace+"/"+s.hpa.Name] = true
			}
			for _, s := range w.scalers {
				for _, before := range w.old.byTarget[s.target] {
					if before.hpa.Name != s.hpa.Name && !now[before.Namespace+"/"+before.hpa.Name] && len(w.old.byTarget[s.target]) == 1 {
						r.find(s.Object, "metadata.name", fmt.Sprintf("the %s had %s; what that remembers is lost", s.targetName(), before.Object))
					}
				}
			}
		},
	}
}
