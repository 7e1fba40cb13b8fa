//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// scaleRefused has the API server refuse what the HPA controller writes: the policy says
// so, in the words of whoever refused, and is well again when it may.
func scaleRefused(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	source := m.of(ns)
	source.value.Store(20)
	sized(t, ns, "web", 2)
	create(t, newPolicy(ns, "web", external))
	goodMetrics(t, ns, "web")
	ready(t, ns, "web", decide.Applied, soon)

	allow := refuseScales(t, ns)
	source.value.Store(50) // what five pods take
	ready(t, ns, "web", decide.ScaleRefused, 4*hpaSync+soon)
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	if c := condition(p, v1alpha1.Ready); !strings.Contains(c, "nobody scales here") {
		t.Errorf("the condition does not say who refused: %s", c)
	}
	told(t, ns, "web", decide.ScaleRefused)
	allow()
	size(t, ns, "web", 5, 6*hpaSync)
	ready(t, ns, "web", decide.Applied, 2*hpaSync+soon)
}

// refuseScales refuses each change of a Deployment's scale in a namespace, until allow.
func refuseScales(t *testing.T, ns string) (allow func()) {
	t.Helper()
	name := "refuse-" + ns
	policy := create(t, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments/scale"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "nobody scales here"}},
		},
	})
	binding := create(t, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	})
	// The API server reads rules a moment after they are stored.
	system.Until(t, "scales are refused", soon, func(ctx context.Context) (bool, string) {
		scale, err := system.Client.AppsV1().Deployments(ns).GetScale(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		_, err = system.Client.AppsV1().Deployments(ns).UpdateScale(ctx, "web", scale, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "nobody scales here"), fmt.Sprint(err)
	})
	gone := false
	allow = func() {
		if gone {
			return
		}
		gone = true
		ctx := context.WithoutCancel(t.Context())
		must(t, kube.Delete(ctx, binding))
		must(t, kube.Delete(ctx, policy))
	}
	t.Cleanup(allow)
	return allow
}
