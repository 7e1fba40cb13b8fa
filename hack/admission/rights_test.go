package admission_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	cases "github.com/loadline/loadline/hack/admission"
)

// granted is what somebody may do, by namespace.
type granted map[string][]string

// Authorize implements authorizer.UnconditionalAuthorizer.
func (g granted) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	right := a.GetVerb() + " " + a.GetResource()
	if a.GetAPIGroup() != "" {
		right += "." + a.GetAPIGroup()
	}
	if a.GetSubresource() != "" {
		right += "/" + a.GetSubresource()
	}
	has := func(r string) bool { return slices.Contains(g[a.GetNamespace()], r) }
	if a.GetUser().GetName() == "somebody" && (has(right) || a.GetName() != "" && has(right+" "+a.GetName())) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// asked is the API server's plugin with the policy of deploy/policy, and the cases, each in
// a namespace of its own.
func asked(t *testing.T) (*server, []cases.Case) {
	t.Helper()
	writes, err := cases.Load("testdata/rights")
	if err != nil {
		t.Fatal(err)
	}
	policies, rights := all[*admissionv1.ValidatingAdmissionPolicy](rendered(t, "../../deploy/policy/controller")), granted{}
	objects := []runtime.Object{policies[0]}
	for _, b := range all[*admissionv1.ValidatingAdmissionPolicyBinding](rendered(t, "../../deploy/policy/controller")) {
		objects = append(objects, b)
	}
	for i, c := range writes {
		rights[place("case", i)] = c.Rights
		// Neither a namespace's label nor its name is a way round.
		for kind, labels := range map[string]map[string]string{"case": {}, "off": {"loadline.dev/admission": "off"}, "system": {corev1.LabelMetadataName: metav1.NamespaceSystem}} {
			objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: place(kind, i), Labels: labels}})
		}
	}
	return serveWith(t, objects, rights), writes
}

// refused returns what is said to a write, which is nothing or a refusal.
func (s *server) refused(t *testing.T, w write) []string {
	t.Helper()
	warned, err := s.validate(t, w)
	if len(warned) > 0 {
		t.Errorf("warnings: %q", warned)
	}
	if err == nil {
		return nil
	}
	message, wrong := cases.Refusal(err.Error())
	if wrong != nil {
		t.Error(wrong)
	}
	return []string{message}
}

// Whoever asks for what Loadline is to do to Services and workloads is refused unless he
// may do it himself; each case gets its message, word for word.
func TestRightsCases(t *testing.T) {
	s, writes := asked(t)
	for i, c := range writes {
		t.Run(c.Name, func(t *testing.T) {
			if diff := cmp.Diff(c.Want, s.refused(t, request(t, &c, place("case", i))), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nobody is exempt, and no namespace; but no write of a status is looked at, which is
// loadline-policy's own, and whoever has asked may leave again.
func TestRightsHaveNoWayRound(t *testing.T) {
	s, writes := asked(t)
	for i, c := range writes {
		if len(c.Want) == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for name, change := range map[string]func(*write){
				"the HPA controller": func(w *write) { w.user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler" },
				"loadline-policy":    func(w *write) { w.user = "system:serviceaccount:loadline-system:loadline-policy" },
				"opted out":          func(w *write) { w.in(place("off", i)) },
				"kube-system":        func(w *write) { w.in(place("system", i)) },
				"annotated":          func(w *write) { annotate(w.object, "loadline.dev/allow-rights") },
			} {
				w := request(t, &c, place("case", i))
				change(&w)
				if len(s.refused(t, w)) == 0 {
					t.Errorf("%s: not refused", name)
				}
			}
			w := request(t, &c, place("case", i))
			w.subresource = "status"
			if said := s.refused(t, w); len(said) > 0 {
				t.Errorf("status: %q", said)
			}
			there := request(t, &c, place("case", i)).object
			labelled := there.DeepCopyObject()
			labelled.(metav1.Object).SetLabels(map[string]string{"mended": "yes"})
			labelled.(metav1.Object).SetFinalizers([]string{"example.com/mine"})
			for _, w := range []write{{old: there, object: labelled}, {old: labelled, object: there}} {
				w.user = "somebody"
				if said := s.refused(t, w); len(said) > 0 {
					t.Errorf("a label and a finalizer: %q", said)
				}
			}
		})
	}
}

func annotate(o runtime.Object, key string) {
	m := o.(metav1.Object)
	annotations := map[string]string{key: "because"}
	for k, v := range m.GetAnnotations() {
		annotations[k] = v
	}
	m.SetAnnotations(annotations)
}

// The oldest Kubernetes that takes the CRD understands the policy, too.
func TestRightsCompile(t *testing.T) {
	policies := all[*admissionv1.ValidatingAdmissionPolicy](rendered(t, "../../deploy/policy/controller"))
	if len(policies) != 1 || policies[0].Name != cases.RightsPolicy {
		t.Fatalf("%d policies, want %s alone", len(policies), cases.RightsPolicy)
	}
	compile(t, policies[0])
}
