package guard

import (
	"fmt"
)

func selectorOverlap() Mode {
	return Mode{
		ID: 8, Name: "selector-overlap", Severity: Critical,
		Summary: "the selectors of two HPAs' targets match the same pods",
		Why: "an HPA that finds another one on its pods stops with AmbiguousSelector (horizontal.go:462-468), and so does the other; " +
			"only the clamps to minReplicas and maxReplicas go on",
		Remedy: "give the pods of each a label of their own, and have its selector ask for it",
		Needs:  append([]Kind{HorizontalPodAutoscaler}, Workloads()...),
		check: func(w *world, r *result) {
			type couple struct{ a, b *scaler }
			said := map[couple]bool{}
			w.eachMember(func(m *member) {
				all := w.scaled.matching(m.Namespace, m.labels)
				for i, a := range all {
					for _, b := range all[i+1:] {
						if compareObjects(a.Object, b.Object) > 0 {
							a, b = b, a
						}
						// Two on one target are GUARD-7.
						if a.target == b.target || said[couple{a, b}] {
							continue
						}
						said[couple{a, b}] = true
						r.find(b.of.Object, selectorField(b.of), fmt.Sprintf("it matches the pods of %s, and so does the selector of %s: %s and %s both stop",
							m.Object, a.of.Object, a.Object, b.Object), a.of.Object, a.Object, b.Object)
					}
				}
			})
		},
	}
}

func selectorField(t *workload) string {
	if t.kind == ReplicationController {
		return "spec.selector"
	}
	return "spec.selector.matchLabels"
}

func foreignPods() Mode {
	return Mode{
		ID: 9, Name: "foreign-pods", Severity: High,
		Summary: "the selector of what an HPA scales also matches pods that are not its own",
		Why: "the HPA counts the pods that the target's selector matches, whoever owns them: the load and the requests of others are averaged in, " +
			"and a pod without metrics, such as one of a Job, counts as missing",
		Remedy: "narrow the selector, or label the other pods otherwise",
		Needs:  append([]Kind{HorizontalPodAutoscaler}, Workloads()...),
		Also:   []Kind{DaemonSet, Job, CronJob, Pod},
		check: func(w *world, r *result) {
			type couple struct {
				s *scaler
				o Object
			}
			said := map[couple]bool{}
			w.eachMember(func(m *member) {
				for _, s := range w.scaled.matching(m.Namespace, m.labels) {
					if w.belongs(m, s.of) || len(w.byTarget[memberKey(m)]) > 0 { // with an HPA of its own it is GUARD-8
						continue
					}
					at := couple{s, m.Object}
					if said[at] {
						continue
					}
					said[at] = true
					r.find(s.of.Object, selectorField(s.of), fmt.Sprintf("it also matches the pods of %s, which %s counts in", m.Object, s.Object), m.Object, s.Object)
				}
			})
		},
	}
}

// eachMember calls f for all pods in the order of the workloads.
func (w *world) eachMember(f func(*member)) {
	for _, ns := range w.namespaces() {
		for _, m := range w.members[ns] {
			f(m)
		}
	}
}

func memberKey(m *member) key {
	if m.of == nil {
		return m.key()
	}
	return key{kind: m.of.kind, namespace: m.of.Namespace, name: m.of.Name}
}

// belongs says whether pods are a target's own: it makes them itself or, as a Rollout
// without a template, by what its workloadRef names.
func (w *world) belongs(m *member, t *workload) bool {
	if m.of == t {
		return true
	}
	if m.of != nil {
		return w.rollouts[memberKey(m)] == t
	}
	// Pods whose maker is not here may be of one between, which was not gathered.
	return m.pod != nil && !w.has(ReplicaSet) && t.kind == Deployment && ownedByKind(m.pod, "ReplicaSet")
}
