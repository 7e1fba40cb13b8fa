package lint

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/manifest"
)

// Options are how manifests are read.
type Options struct {
	// Namespace is that of objects that name none.
	Namespace string
	// Schema is that of AutoscalingPolicies.
	Schema *manifest.Schema
}

// alone is why kinds do not count as gathered.
const alone = "no Deployment, StatefulSet or other workload was given, so that this is not taken for all that there is"

// identity is an object whatever its version.
type identity struct {
	kind            guard.Kind
	namespace, name string
}

func of(o guard.Object) identity {
	gk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).GroupKind()
	return identity{guard.CurrentKind(gk), o.Namespace, o.Name}
}

// item is an object and, if it is of a file, its document.
type item struct {
	object *unstructured.Unstructured
	doc    *manifest.Document // nil of a live object
}

func (i item) identity() identity {
	return identity{guard.CurrentKind(i.object.GroupVersionKind().GroupKind()), i.object.GetNamespace(), i.object.GetName()}
}

// items gives documents their namespace. One without a name is no object yet.
func items(docs []manifest.Document, o Options) []item {
	var all []item
	for i := range docs {
		u := &unstructured.Unstructured{Object: docs[i].Object}
		if _, ok := u.Object["metadata"].(map[string]any); !ok || u.GetName() == "" {
			continue
		}
		if u.GetNamespace() == "" && namespaced(u.GroupVersionKind().GroupKind()) {
			u.SetNamespace(o.Namespace)
		}
		all = append(all, item{object: u, doc: &docs[i]})
	}
	return all
}

// namespaced says whether the objects of a kind are in a namespace, of those kinds that
// a check reads.
func namespaced(gk schema.GroupKind) bool {
	return guard.KindOf(gk) != guard.Definition && gk.Kind != "Namespace"
}

// snapshot puts the objects of manifests together. What is given counts as all that
// there is as soon as there is something among it that an HPA may scale.
func snapshot(all []item, o Options) (*guard.Snapshot, []error) {
	s := &guard.Snapshot{Source: guard.Manifests, Gathered: map[guard.Kind]bool{}, Missing: map[guard.Kind]string{}}
	var broken []error
	for _, one := range all {
		s.Gathered[one.identity().kind] = true
		if err := add(s, one, o); err != nil {
			broken = append(broken, err...)
		}
	}
	whole := slices.ContainsFunc(guard.Workloads(), func(k guard.Kind) bool { return s.Gathered[k] })
	for _, k := range guard.Kinds() {
		if whole {
			s.Gathered[k] = true
		} else if !s.Gathered[k] {
			s.Missing[k] = alone
		}
	}
	return s, broken
}

func add(s *guard.Snapshot, one item, o Options) []error {
	if one.doc.IsPolicy() && o.Schema != nil {
		p, unread, _ := o.Schema.Policy(*one.doc)
		if len(unread) == 0 {
			s.Policies = append(s.Policies, p)
			return nil
		}
		var broken []error
		for _, problem := range unread {
			broken = append(broken, fmt.Errorf("%s:%d: %s: %w", one.doc.File, one.doc.Line(problem.Field), one.name(), problem))
		}
		return broken
	}
	err := s.Add(one.object)
	if err == nil {
		return nil
	}
	field := ""
	if wrong, ok := errors.AsType[*guard.FieldError](err); ok {
		field = wrong.Field
	}
	return []error{fmt.Errorf("%s:%d: %s: %w", one.doc.File, one.doc.Line(field), one.name(), err)}
}

func (i item) name() string {
	return guard.Object{Kind: i.object.GetKind(), Namespace: i.object.GetNamespace(), Name: i.object.GetName()}.String()
}
