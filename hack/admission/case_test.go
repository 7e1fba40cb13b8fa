package admission_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	cases "github.com/loadline/loadline/hack/admission"
	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/lint"
)

// request returns the write of a case.
func request(t *testing.T, c *cases.Case, namespace string) write {
	t.Helper()
	w := write{object: typed(t, namespace, &c.Object), user: "somebody"}
	if _, version, found := strings.Cut(c.Through, "/"); found {
		w.through = version
	}
	if c.Change != nil {
		after, err := c.Changed()
		if err != nil {
			t.Fatal(err)
		}
		w.old, w.object = w.object, typed(t, namespace, after)
	}
	return w
}

// world is a plugin with the objects of all cases.
func world(t *testing.T, writes []cases.Case) *server {
	t.Helper()
	objects := manifests(t)
	for i, c := range writes {
		for kind, labels := range map[string]map[string]string{
			"case": {},
			"off":  {"loadline.dev/admission": "off"},
			// Named so for the selectors, which look at nothing else.
			"system": {corev1.LabelMetadataName: metav1.NamespaceSystem},
		} {
			name := place(kind, i)
			objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
			for j := range c.Given {
				objects = append(objects, typed(t, name, &c.Given[j]))
			}
			if c.Change != nil {
				objects = append(objects, typed(t, name, &c.Object))
			}
		}
	}
	return serve(t, objects)
}

// place is the namespace of a case.
func place(kind string, i int) string { return fmt.Sprintf("%s-%d", kind, i) }

// Each case gets the messages it wants, word for word, and each mode has a case.
func TestAdmissionCases(t *testing.T) {
	writes := load(t)
	s := world(t, writes)
	spoke := map[string]bool{}
	for i, c := range writes {
		t.Run(c.Name, func(t *testing.T) {
			got := s.judged(t, request(t, &c, place("case", i)))
			if diff := cmp.Diff(slices.Sorted(slices.Values(c.Want)), got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			for _, m := range got {
				spoke[cases.Mode(m)] = true
			}
		})
	}
	for _, p := range all[*admissionv1.ValidatingAdmissionPolicy](manifests(t)) {
		mode := cases.Mode(p.Name)
		if !spoke[mode] {
			t.Errorf("no case in which %s speaks", mode)
		}
		// The annotation is the one that lint reads, too.
		if _, err := guard.ParseSlug(strings.TrimPrefix(mode, "loadline-")); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// A reason on the other object counts like one on the object that is written, where a
// mode is about two.
func TestAdmissionReasonOnTheOther(t *testing.T) {
	alone := map[string]bool{} // modes about one object, and those that no reason allows
	for _, p := range all[*admissionv1.ValidatingAdmissionPolicy](manifests(t)) {
		if p.Spec.ParamKind == nil || !slices.ContainsFunc(p.Spec.MatchConditions, func(c admissionv1.MatchCondition) bool { return c.Name == "not-allowed-by-annotation" }) {
			alone[cases.Mode(p.Name)] = true
		}
	}
	writes := load(t)
	for i := range writes {
		for j := range writes[i].Given {
			annotations := writes[i].Given[j].GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			for _, m := range writes[i].Want {
				annotations[lint.AllowAnnotation+strings.TrimPrefix(cases.Mode(m), "loadline-")] = "we know"
			}
			writes[i].Given[j].SetAnnotations(annotations)
		}
	}
	s, other := world(t, writes), 0
	for i, c := range writes {
		t.Run(c.Name, func(t *testing.T) {
			want := slices.DeleteFunc(slices.Sorted(slices.Values(c.Want)), func(m string) bool { return !alone[cases.Mode(m)] })
			other += len(c.Want) - len(want)
			if diff := cmp.Diff(want, s.judged(t, request(t, &c, place("case", i))), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if other == 0 {
		t.Error("no case is about two objects")
	}
}

// What no policy is to say anything about, in every case that one does: the write of the
// HPA controller or of loadline-policy, a namespace that opted out, kube-system, a write
// to /scale or /status.
func TestAdmissionExemptions(t *testing.T) {
	writes := load(t)
	s := world(t, writes)
	for name, exempt := range map[string]func(*write, int){
		"the HPA controller": func(w *write, _ int) { w.user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler" },
		"loadline-policy":    func(w *write, _ int) { w.user = "system:serviceaccount:loadline-system:loadline-policy" },
		"opted out":          func(w *write, i int) { w.in(place("off", i)) },
		"kube-system":        func(w *write, i int) { w.in(place("system", i)) },
		"scale":              func(w *write, _ int) { w.subresource = "scale" },
		"status":             func(w *write, _ int) { w.subresource = "status" },
	} {
		t.Run(name, func(t *testing.T) {
			for i, c := range writes {
				w := request(t, &c, place("case", i))
				exempt(&w, i)
				if said := s.judged(t, w); len(said) > 0 {
					t.Errorf("%s: %q", c.Name, said)
				}
			}
		})
	}
}

// in moves a request into another namespace.
func (w *write) in(namespace string) {
	w.object.(metav1.Object).SetNamespace(namespace)
	if w.old != nil {
		w.old.(metav1.Object).SetNamespace(namespace)
	}
}

// Nobody is kept from mending what is there already: once a case's write has been made,
// labels, finalizers, an image and replicas of a pod's own can be changed without a word.
func TestAdmissionLeavesAloneWhatIsThere(t *testing.T) {
	writes := load(t)
	s := world(t, writes)
	for i, c := range writes {
		if len(c.Want) == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			there := request(t, &c, place("case", i)).object
			for name, mend := range mends {
				after := there.DeepCopyObject()
				if !mend(after) {
					continue
				}
				for _, w := range []write{{old: there, object: after}, {old: after, object: there}} {
					w.user = "somebody"
					if said := s.judged(t, w); len(said) > 0 {
						t.Errorf("%s: %q", name, said)
					}
				}
			}
		})
	}
}

// mends are changes that have nothing to do with any mode; false where an object has no
// such field.
var mends = map[string]func(runtime.Object) bool{
	"a label": func(o runtime.Object) bool {
		o.(metav1.Object).SetLabels(map[string]string{"mended": "yes"})
		return true
	},
	"a finalizer": func(o runtime.Object) bool {
		o.(metav1.Object).SetFinalizers([]string{"example.com/mine"})
		return true
	},
	"an image": func(o runtime.Object) bool {
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			o.Spec.Template.Spec.Containers[0].Image = "example.com/app:v2"
		case *appsv1.ReplicaSet:
			o.Spec.Template.Spec.Containers[0].Image = "example.com/app:v2"
		case *corev1.ReplicationController:
			o.Spec.Template.Spec.Containers[0].Image = "example.com/app:v2"
		default: // a Deployment rolls out with it, which 35 has a say in
			return false
		}
		return true
	},
	"behavior": func(o runtime.Object) bool {
		h, is := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if is {
			h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(60))}}
		}
		return is
	},
}
