package guard

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// world is a snapshot with everything found in it by what checks ask for. Checks change
// nothing in it.
type world struct {
	*Snapshot
	// old is the world before a change; nil if there is none.
	old *world

	named     map[key]*scaler
	scalers   []*scaler   // in the order of compareObjects, as all lists are
	workloads []*workload // every maker of pods
	byKey     map[key]*workload
	byTarget  map[key][]*scaler
	customs   map[key]*unstructured.Unstructured // objects of kinds that are not looked into
	defined   map[Kind]*CustomDefinition
	byUID     map[types.UID]*workload
	limits    map[string][]*corev1.LimitRange // by namespace
	rollouts  map[key]*workload               // Rollouts by what their workloadRef names
	members   map[string][]*member            // by namespace
	scaled    *selectorIndex[*scaler]
}

// member is a set of pods with the same labels and the same maker: those of a template,
// or live pods whose maker is not in the snapshot.
type member struct {
	// Object is the maker, or a pod.
	Object
	labels map[string]string
	at     string    // field of its labels
	of     *workload // nil of pods whose maker is not here
	pod    *corev1.Pod
}

func newWorld(s *Snapshot) (*world, error) {
	w := &world{
		Snapshot: s, scalers: scalers(s), workloads: workloads(s),
		byKey: map[key]*workload{}, named: map[key]*scaler{}, byTarget: map[key][]*scaler{}, customs: map[key]*unstructured.Unstructured{}, defined: map[Kind]*CustomDefinition{},
		byUID: map[types.UID]*workload{}, limits: map[string][]*corev1.LimitRange{}, members: map[string][]*member{}, scaled: newSelectorIndex[*scaler](),
	}
	slices.SortStableFunc(w.scalers, func(a, b *scaler) int { return compareObjects(a.Object, b.Object) })
	slices.SortStableFunc(w.workloads, func(a, b *workload) int { return compareObjects(a.Object, b.Object) })
	if err := w.index(); err != nil {
		return nil, err
	}
	w.rollouts = w.rolloutReferences()
	for _, l := range s.LimitRanges {
		w.limits[l.Namespace] = append(w.limits[l.Namespace], l)
	}
	w.gatherMembers()
	if s.Old != nil {
		before := *s.Old
		before.Old = nil
		old, err := newWorld(&before)
		if err != nil {
			return nil, fmt.Errorf("before the change: %w", err)
		}
		w.old = old
	}
	return w, nil
}

// index finds what scales what. An object that is there twice contradicts itself.
func (w *world) index() error {
	for _, one := range w.workloads {
		k := key{kind: one.kind, namespace: one.Namespace, name: one.Name}
		if w.byKey[k] != nil {
			return fmt.Errorf("%s is there twice", one.Object)
		}
		w.byKey[k] = one
		if one.meta.UID != "" {
			w.byUID[one.meta.UID] = one
		}
	}
	for _, u := range w.Others {
		k := key{kind: KindOf(u.GroupVersionKind().GroupKind()), namespace: u.GetNamespace(), name: u.GetName()}
		if w.customs[k] != nil {
			return fmt.Errorf("%s %s/%s is there twice", u.GetKind(), u.GetNamespace(), u.GetName())
		}
		w.customs[k] = u
	}
	for i := range w.Definitions {
		w.defined[w.Definitions[i].Kind] = &w.Definitions[i]
	}
	for _, s := range w.scalers {
		if w.named[s.key()] != nil {
			return fmt.Errorf("%s is there twice", s.Object)
		}
		w.named[s.key()] = s
		s.target = reference(s.hpa)
		s.of = w.byKey[s.target]
		w.byTarget[s.target] = append(w.byTarget[s.target], s)
		if s.of != nil && s.of.selector != nil {
			w.scaled.add(s.Namespace, s.of.selector, s.of.match, s)
		}
	}
	return nil
}

// gatherMembers collects who makes which pods. What another workload of the snapshot
// makes, such as the ReplicaSets of a Deployment, is its maker's.
func (w *world) gatherMembers() {
	for _, one := range w.workloads {
		if one.template == nil || w.maker(one.meta) != nil {
			continue
		}
		w.members[one.Namespace] = append(w.members[one.Namespace],
			&member{Object: one.Object, labels: one.pods(), at: path(one.at, "metadata.labels"), of: one})
	}
	seen := map[string]bool{}
	byName := func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	}
	for _, p := range slices.SortedFunc(slices.Values(w.Pods), byName) {
		if root := w.root(&p.ObjectMeta); root != nil {
			continue
		}
		// Of many alike one is enough.
		alike := p.Namespace + "/" + p.Name
		if c := metav1.GetControllerOf(p); c != nil {
			alike = p.Namespace + "/" + string(c.UID) + "/" + labels.Set(p.Labels).String()
		}
		if seen[alike] {
			continue
		}
		seen[alike] = true
		w.members[p.Namespace] = append(w.members[p.Namespace],
			&member{Object: written(p.TypeMeta, Pod, "v1", &p.ObjectMeta), labels: p.Labels, at: "metadata.labels", pod: p})
	}
}

// maker is the workload that an object is controlled by, nil if it is not here.
func (w *world) maker(meta *metav1.ObjectMeta) *workload {
	c := metav1.GetControllerOf(meta)
	if c == nil {
		return nil
	}
	return w.byUID[c.UID]
}

// root is the last maker that is here: of a Deployment's pod the Deployment.
func (w *world) root(meta *metav1.ObjectMeta) *workload {
	var last *workload
	for range 5 { // a chain longer than any that there is, for a circle has no end
		next := w.maker(meta)
		if next == nil {
			break
		}
		last, meta = next, next.meta
	}
	return last
}

// each calls f with every scaler whose workload is here.
func (w *world) each(f func(*scaler, *workload)) {
	for _, s := range w.scalers {
		if s.of != nil {
			f(s, s.of)
		}
	}
}

// exists says whether a target is here, and whether that can be known.
func (w *world) exists(k key) (there, known bool) {
	if w.byKey[k] != nil || w.customs[k] != nil {
		return true, true
	}
	if slices.Contains(Workloads(), k.kind) {
		return false, w.has(k.kind)
	}
	return false, w.Gathered[k.kind] || w.Source == Manifests && w.has(Deployment)
}

// namespaces are those with pods, in order.
func (w *world) namespaces() []string { return slices.Sorted(maps.Keys(w.members)) }
