package guard

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func greenCold() Mode {
	return Mode{
		ID: 40, Name: "green-cold", Severity: Critical,
		Summary: "a Service's selector moves to pods that are fewer than those that serve now",
		Why: "a Service moves at once; the HPA has sized the old pods for the load, and the new ones stand at their own minimum until their metrics have shown the load: " +
			"meanwhile they are overloaded",
		Remedy: "before the change scale the new workload to the size of the old one, wait until its pods are ready, and hold its minimum there until the load is on it",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment, Service},
		Change: true,
		check: func(w *world, r *result) {
			before := map[string]*corev1.Service{}
			for _, s := range w.old.Services {
				before[s.Namespace+"/"+s.Name] = s
			}
			for _, s := range w.Services {
				old := before[s.Namespace+"/"+s.Name]
				if old == nil || maps.Equal(old.Spec.Selector, s.Spec.Selector) || len(old.Spec.Selector) == 0 || len(s.Spec.Selector) == 0 {
					continue
				}
				w.flip(r, old, s)
			}
		},
	}
}

// flip compares what a Service selected with what it selects.
func (w *world) flip(r *result, old, s *corev1.Service) {
	blue, green := w.old.selected(old), w.selected(s)
	scaled := func(all []*workload, w *world) bool {
		return slices.ContainsFunc(all, func(t *workload) bool { return len(w.byTarget[t.target()]) > 0 })
	}
	if len(blue) == 0 || len(green) == 0 || !scaled(blue, w.old) && !scaled(green, w) {
		return
	}
	if slices.ContainsFunc(blue, func(b *workload) bool {
		return slices.ContainsFunc(green, func(g *workload) bool { return g.target() == b.target() })
	}) {
		return // some of what served goes on serving
	}
	before, after := w.old.capacity(blue, true), w.capacity(green, false)
	if after >= before {
		return
	}
	may := "may have grown to"
	if w.Source == Live {
		may = "has"
	}
	field := "spec.selector"
	for _, k := range slices.Sorted(maps.Keys(s.Spec.Selector)) {
		if old.Spec.Selector[k] != s.Spec.Selector[k] {
			field = mapField("spec.selector", k)
		}
	}
	r.find(written(s.TypeMeta, Service, "v1", &s.ObjectMeta), field, fmt.Sprintf("it moves from %s, which %s %d pods, to %s, with %d", names(blue), may, before, names(green), after),
		objects(append(blue, green...))...)
}

// selected are the workloads whose pods a Service selects.
func (w *world) selected(s *corev1.Service) []*workload {
	var all []*workload
	for _, m := range w.members[s.Namespace] {
		if m.of != nil && m.of.scales && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(m.labels)) {
			all = append(all, m.of)
		}
	}
	return all
}

// capacity is the number of ready pods; of manifests, which do not tell, the size that
// an HPA may have given them (most), or the one that they start with.
func (w *world) capacity(all []*workload, most bool) int32 {
	var n int32
	for _, t := range all {
		s := w.byTarget[t.target()]
		switch {
		case w.Source == Live:
			n += t.ready
		case most && len(s) > 0:
			n += s[0].max()
		case len(s) > 0:
			n += max(t.size(), s[0].min())
		default:
			n += t.size()
		}
	}
	return n
}

// target is the key by which it is scaled.
func (t *workload) target() key { return key{kind: t.kind, namespace: t.Namespace, name: t.Name} }

func names(all []*workload) string {
	var text []string
	for _, t := range all {
		text = append(text, t.kind.GroupKind().Kind+" "+t.Name)
	}
	return strings.Join(text, ", ")
}

func objects(all []*workload) []Object {
	var found []Object
	for _, t := range all {
		found = append(found, t.Object)
	}
	return found
}

func hpaLeftOnBlue() Mode {
	return Mode{
		ID: 41, Name: "hpa-left-on-blue", Severity: Critical,
		Summary: "the Service has moved to one release, and the HPA still scales the other",
		Why:     "an HPA scales what its scaleTargetRef names, wherever the traffic goes: the pods that serve keep their size under any load, and the idle ones are scaled in, so that a rollback meets few of them",
		Remedy:  "change scaleTargetRef of this same HPA to what serves, together with a minReplicas of at least its present size",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment, Service},
		check: func(w *world, r *result) {
			serving, siblings := w.serving(), w.siblings()
			w.each(func(s *scaler, blue *workload) {
				if len(serving[blue]) > 0 {
					return
				}
				for _, green := range siblings[siblingKey(blue)] {
					keys := colours(blue.pods(), green.pods())
					if len(keys) == 0 || len(w.byTarget[green.target()]) > 0 {
						continue
					}
					for _, service := range serving[green] {
						if !slices.ContainsFunc(keys, func(k string) bool { return service.Spec.Selector[k] != "" }) {
							continue
						}
						r.find(s.Object, s.field("spec.scaleTargetRef.name"), fmt.Sprintf("it scales %s, and the Service %s selects the pods of %s, which nothing scales", names([]*workload{blue}), service.Name, names([]*workload{green})),
							green.Object, written(service.TypeMeta, Service, "v1", &service.ObjectMeta))
					}
				}
			})
		},
	}
}

// serving are, for each workload, the Services that select its pods.
func (w *world) serving() map[*workload][]*corev1.Service {
	index := newSelectorIndex[*corev1.Service]()
	for _, s := range w.Services {
		if len(s.Spec.Selector) > 0 {
			index.add(s.Namespace, labels.SelectorFromSet(s.Spec.Selector), s.Spec.Selector, s)
		}
	}
	all := map[*workload][]*corev1.Service{}
	w.eachMember(func(m *member) {
		if m.of != nil && m.of.scales {
			all[m.of] = index.matching(m.Namespace, m.labels)
		}
	})
	return all
}

// siblings are the workloads that may be releases of one application, by siblingKey.
func (w *world) siblings() map[string][]*workload {
	all := map[string][]*workload{}
	for _, t := range w.workloads {
		if t.scales && w.maker(t.meta) == nil && len(t.pods()) > 0 {
			k := siblingKey(t)
			all[k] = append(all[k], t)
		}
	}
	return all
}

// siblingKey has of the pods' labels all that does not tell releases apart.
func siblingKey(t *workload) string {
	var b strings.Builder
	b.WriteString(t.Namespace + "\n" + string(t.kind))
	for _, k := range slices.Sorted(maps.Keys(t.pods())) {
		v := t.pods()[k]
		if versionLike(k, v, v) {
			v = "*"
		}
		b.WriteString("\n" + k + "=" + v)
	}
	return b.String()
}
