package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// refused are the policies that refuse; all others warn. A policy that joins them
// refuses what users do today: say it in the changelog.
var refused = []string{
	"loadline-02-target-unscalable", "loadline-03-wrong-group-kind", "loadline-07-two-writers",
	"loadline-38-pvc-delete", "loadline-38-pvc-delete-of-statefulset",
}

// closed are the policies that refuse also where they cannot be evaluated: they look
// at one object, and need nothing that could be missing.
var closed = []string{"loadline-02-target-unscalable", "loadline-03-wrong-group-kind"}

// mirror is the end of the name of a policy for the HPA that comes second.
var mirror = regexp.MustCompile("-of-(deployment|statefulset|replicationcontroller)$")

type admissionPolicy = admissionv1.ValidatingAdmissionPolicy
type admissionBinding = admissionv1.ValidatingAdmissionPolicyBinding

// pairs returns the policies of deploy/admission and the binding of each.
func pairs(t *testing.T, objects []runtime.Object) ([]*admissionPolicy, map[string]*admissionBinding) {
	t.Helper()
	bindings := map[string]*admissionBinding{}
	for _, b := range all[*admissionBinding](objects) {
		if b.Name != b.Spec.PolicyName || bindings[b.Spec.PolicyName] != nil {
			t.Errorf("binding %s of policy %s: one for each policy, of its name", b.Name, b.Spec.PolicyName)
		}
		bindings[b.Spec.PolicyName] = b
	}
	policies := all[*admissionPolicy](objects)
	if len(policies) == 0 || len(policies) != len(bindings) || len(objects) != 2*len(policies) {
		t.Fatalf("%d policies, %d bindings, %d objects", len(policies), len(bindings), len(objects))
	}
	return policies, bindings
}

// What is refused and what only warned about, and what happens where a policy cannot be
// evaluated, is written down here.
func TestAdmissionRefusesOnlyWhatItSays(t *testing.T) {
	policies, bindings := pairs(t, render(t, variants()["admission"]))
	var refuse, fail []string
	for _, p := range policies {
		b := bindings[p.Name]
		if b == nil {
			t.Errorf("%s has no binding", p.Name)
			continue
		}
		switch actions := b.Spec.ValidationActions; {
		case slices.Equal(actions, []admissionv1.ValidationAction{admissionv1.Deny}):
			refuse = append(refuse, p.Name)
		case !slices.Equal(actions, []admissionv1.ValidationAction{admissionv1.Warn, admissionv1.Audit}):
			t.Errorf("%s: actions %v", p.Name, actions)
		}
		if *p.Spec.FailurePolicy == admissionv1.Fail {
			fail = append(fail, p.Name)
		}
	}
	slices.Sort(refuse)
	slices.Sort(fail)
	if diff := cmp.Diff(refused, refuse); diff != "" {
		t.Errorf("refuse:\n%s", diff)
	}
	if diff := cmp.Diff(closed, fail); diff != "" {
		t.Errorf("failurePolicy Fail:\n%s", diff)
	}
}

// The component leaves nothing that refuses, and changes nothing else.
func TestAdmissionWarns(t *testing.T) {
	_, refusing := pairs(t, render(t, variants()["admission"]))
	_, warning := pairs(t, render(t, variants()["admission that warns"]))
	for name, b := range refusing {
		b.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn, admissionv1.Audit}
		if diff := cmp.Diff(b, warning[name]); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// Every policy leaves alone what nobody may be kept from: scales and status, deletion,
// kube-system, namespaces that opted out, the HPA controller and loadline-policy.
func TestAdmissionExempts(t *testing.T) {
	policies, bindings := pairs(t, render(t, variants()["admission"]))
	name := regexp.MustCompile(`^loadline-(\d\d-[a-z0-9-]+)$`)
	for _, p := range policies {
		t.Run(p.Name, func(t *testing.T) {
			id := name.FindStringSubmatch(mirror.ReplaceAllString(p.Name, ""))
			if id == nil {
				t.Fatal("the name is not that of a mode")
			}
			for _, r := range p.Spec.MatchConstraints.ResourceRules {
				for _, resource := range r.Resources {
					if strings.ContainsAny(resource, "/*") {
						t.Errorf("resource %s", resource)
					}
				}
				for _, op := range r.Operations {
					if op != admissionv1.Create && op != admissionv1.Update {
						t.Errorf("operation %s", op)
					}
				}
			}
			selects(t, p.Spec.MatchConstraints.NamespaceSelector, metav1.LabelSelectorRequirement{
				Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{metav1.NamespaceSystem},
			})
			selects(t, bindings[p.Name].Spec.MatchResources.NamespaceSelector, metav1.LabelSelectorRequirement{
				Key: "loadline.dev/admission", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"off"},
			})
			conditions := map[string]string{}
			for _, c := range p.Spec.MatchConditions {
				conditions[c.Name] = c.Expression
			}
			exempt := "!(request.userInfo.username in [ 'system:serviceaccount:kube-system:horizontal-pod-autoscaler', 'system:serviceaccount:loadline-system:loadline-policy'])"
			if conditions["not-by-a-controller"] != exempt {
				t.Errorf("exempts %q", conditions["not-by-a-controller"])
			}
			allowed := "object.metadata.?annotations[?'loadline.dev/allow-" + id[1] + "'].orValue('').trim() == ''"
			if without := slices.Contains(closed, p.Name) || p.Name == "loadline-07-two-writers"; without != (conditions["not-allowed-by-annotation"] == "") {
				t.Errorf("an annotation allows it: %v", !without)
			} else if !without && conditions["not-allowed-by-annotation"] != allowed {
				t.Errorf("the annotation: %s", conditions["not-allowed-by-annotation"])
			} else if either := strings.Replace(strings.Replace(allowed, "object.", "params.", 1), "== ''", "!= ''", 1); !without && p.Spec.ParamKind != nil && !strings.HasSuffix(p.Spec.Validations[0].Expression, "|| "+either) {
				t.Errorf("the annotation on the other object does not allow it: %s", p.Spec.Validations[0].Expression)
			}
		})
	}
}

func selects(t *testing.T, s *metav1.LabelSelector, want metav1.LabelSelectorRequirement) {
	t.Helper()
	if diff := cmp.Diff(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{want}}, s); diff != "" {
		t.Error(diff)
	}
}

// What looks at two objects takes all HPAs of the namespace, allows where there are none,
// and is open where they are not known.
func TestAdmissionParameters(t *testing.T) {
	policies, bindings := pairs(t, render(t, variants()["admission"]))
	for _, p := range policies {
		ref := bindings[p.Name].Spec.ParamRef
		if p.Spec.ParamKind == nil {
			if ref != nil {
				t.Errorf("%s: a parameter without a kind", p.Name)
			}
			continue
		}
		want := &admissionv1.ParamRef{Selector: &metav1.LabelSelector{}, ParameterNotFoundAction: new(admissionv1.AllowAction)}
		if diff := cmp.Diff(want, ref); diff != "" || *p.Spec.FailurePolicy != admissionv1.Ignore {
			t.Errorf("%s: failurePolicy %s, parameters:\n%s", p.Name, *p.Spec.FailurePolicy, diff)
		}
	}
}

// A message is one line that names the mode, and has a second, without the user's own
// words, where the first cannot be made.
func TestAdmissionMessages(t *testing.T) {
	policies, _ := pairs(t, render(t, variants()["admission"]))
	for _, p := range policies {
		if len(p.Spec.Validations) != 1 {
			t.Errorf("%s: %d validations, want 1", p.Name, len(p.Spec.Validations))
		}
		id := strings.Replace(strings.TrimPrefix(mirror.ReplaceAllString(p.Name, ""), "loadline-"), "-", " ", 1)
		for _, v := range p.Spec.Validations {
			if !strings.HasPrefix(v.MessageExpression, "'"+id+": ") || !strings.HasPrefix(v.Message, id+": ") {
				t.Errorf("%s: messages %q and %q do not begin with %s", p.Name, v.MessageExpression, v.Message, id)
			}
		}
	}
}
