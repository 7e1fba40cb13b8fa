package hpa

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Differences compares an HPA as it is to what it is meant to be.
//
// Ours are the fields of want, in spec and metadata, that live has otherwise or not at
// all; to apply want mends them. Foreign are fields of live's spec that want does not
// have: somebody else added them, and applying want leaves them there. Both are sorted
// paths such as spec.behavior.scaleDown.tolerance; no foreign one goes through a list
// or has a dot in a name.
//
// What the server fills in (defaults.go) counts as equal to what is left out, and 0.5
// to 500m. In metadata only what want has counts, and an owner of the kind
// AutoscalingPolicy that it does not have: labels and annotations of others are theirs.
// A field of a later Kubernetes, which these types do not have, is not seen.
func Differences(want, live *autoscalingv2.HorizontalPodAutoscaler) (ours, foreign []string) {
	d := &difference{}
	w, l := fields(&want.Spec), fields(&live.Spec)
	d.compare("spec", w, l, false)
	d.entries("metadata.labels", want.Labels, live.Labels)
	d.entries("metadata.annotations", want.Annotations, live.Annotations)
	if !slices.EqualFunc(policyOwners(want), policyOwners(live), sameOwner) {
		d.ours = append(d.ours, "metadata.ownerReferences")
	}
	slices.Sort(d.ours)
	slices.Sort(d.foreign)
	return d.ours, d.foreign
}

type difference struct{ ours, foreign []string }

// compare descends into want and live. Within a list everything is of one owner: those
// of an HPA's spec that matter, metrics and policies, are atomic to server-side apply.
func (d *difference) compare(path string, want, live any, inList bool) {
	switch w := want.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			break
		}
		for key, of := range w {
			if there, ok := l[key]; ok {
				d.compare(child(path, key), of, there, inList)
			} else {
				d.ours = append(d.ours, child(path, key))
			}
		}
		for key := range l {
			if _, ok := w[key]; ok {
				continue
			}
			if inList {
				d.ours = append(d.ours, child(path, key))
			} else {
				d.foreign = append(d.foreign, child(path, key))
			}
		}
		return
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			break
		}
		for i := range w {
			d.compare(fmt.Sprintf("%s[%d]", path, i), w[i], l[i], true)
		}
		return
	}
	if !reflect.DeepEqual(want, live) {
		d.ours = append(d.ours, path)
	}
}

func (d *difference) entries(path string, want, live map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := live[key]; !ok || value != want[key] {
			d.ours = append(d.ours, path+"["+key+"]")
		}
	}
}

// child writes the path of a field; a key with a dot in it, such as a label, in brackets.
func child(path, key string) string {
	if strings.ContainsAny(key, "./[]") {
		return path + "[" + key + "]"
	}
	return path + "." + key
}

// fields returns a spec as a server would store it, in one spelling.
func fields(spec *autoscalingv2.HorizontalPodAutoscalerSpec) map[string]any {
	spec = spec.DeepCopy()
	serverDefaults(spec)
	respell(spec)
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		panic(fmt.Sprintf("a spec of the API has fields that JSON does not: %v", err))
	}
	return tree
}

// IsPolicy says whether an owner is a policy.
func IsPolicy(o metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return group == v1alpha1.GroupVersion.Group && o.Kind == v1alpha1.Kind
}

func policyOwners(h *autoscalingv2.HorizontalPodAutoscaler) []metav1.OwnerReference {
	var owners []metav1.OwnerReference
	for _, o := range h.OwnerReferences {
		if IsPolicy(o) {
			owners = append(owners, o)
		}
	}
	slices.SortFunc(owners, func(a, b metav1.OwnerReference) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return owners
}

// sameOwner leaves out blockOwnerDeletion, which we never set and others may.
func sameOwner(a, b metav1.OwnerReference) bool {
	return a.APIVersion == b.APIVersion && a.Name == b.Name && a.UID == b.UID &&
		(a.Controller != nil && *a.Controller) == (b.Controller != nil && *b.Controller)
}
