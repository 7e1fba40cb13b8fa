//go:build e2e

package policy

import (
	"context"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// A switch is taken back before the Service has moved, by the same command with no name:
// green gets its size of before, the command that waited says that its switch was given
// up, and at no moment do fewer pods serve.
func takenBack(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(30)
	colours(t, ns, 3, func(b *v1alpha1.BlueGreen) { b.Mode = v1alpha1.Managed })
	maySwitch(t, ns)
	// Its pods take long, so that there is time to think again.
	edit(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "green"}}, func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 40 })
	fewest := watchServing(t, ns)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	there := plugin(ctx, ns, "loadline", "switch", "web")
	ended := make(chan string, 1)
	go func() { out, _ := there.CombinedOutput(); ended <- string(out) }() // its exit code is looked at below
	conditioned(t, ns, "web", v1alpha1.Switching, "True "+string(v1alpha1.Waiting), 30*time.Second)
	size(t, ns, "green", 4, soon) // and it is that large by then

	began := time.Now()
	out, said, code := loadline(t, ns, "switch", "web")
	if code != 0 {
		t.Errorf("switch back: %d: %s%s", code, out, said)
	}
	has(t, said, "is taken back: blue is to serve.")
	t.Logf("taken back within %s", time.Since(began).Round(100*time.Millisecond))
	size(t, ns, "green", 1, soon)
	conditioned(t, ns, "web", v1alpha1.Switching, "False "+string(v1alpha1.Aborted), soon)
	out = <-ended
	if code := there.ProcessState.ExitCode(); code != 1 {
		t.Errorf("the command whose switch was taken back ends with %d:\n%s", code, out)
	}
	moved(t, ns, "blue", 1, soon)
	servedOn(t, ns, "blue", 3, fewest())
}

// The API server refuses the write of the Service's selector: the switch says so in the API
// server's words, and is given up in its time with everything as it was.
func refusedFlip(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(30)
	colours(t, ns, 3, func(b *v1alpha1.BlueGreen) {
		b.Mode, b.Timeout = v1alpha1.Managed, &metav1.Duration{Duration: time.Minute}
	})
	maySwitch(t, ns)
	forbidServices(t, ns)
	fewest := watchServing(t, ns)
	out, said, code := loadline(t, ns, "switch", "web")
	if code != 1 {
		t.Errorf("a switch that is refused ends with %d: %s%s", code, out, said)
	}
	has(t, out, "Flipping: ", "no Service changes today", "Aborted: ")
	size(t, ns, "green", 1, 30*time.Second)
	conditioned(t, ns, "web", v1alpha1.Switching, "False "+string(v1alpha1.Aborted), soon)
	moved(t, ns, "blue", 1, soon)
	servedOn(t, ns, "blue", 3, fewest())
}

// servedOn fails if another colour serves, or fewer pods of it did than should.
func servedOn(t *testing.T, ns, name string, least, fewest int32) {
	t.Helper()
	if on, err := serves(t.Context(), ns); err != nil || on != name {
		t.Errorf("the Service is on %s: %v", on, err)
	}
	if fewest < least {
		t.Errorf("%d pods served at some moment, %d did before", fewest, least)
	}
}

// forbidServices has the API server refuse what loadline-policy writes to the Services of a
// namespace, dry runs aside, as an administrator's rule may.
func forbidServices(t *testing.T, ns string) {
	t.Helper()
	account := "system:serviceaccount:" + lab.AdapterNamespace + ":" + controller.Name
	rule := create(t, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "frozen-" + ns},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: ptr.To(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}},
			}}}},
			MatchConditions: []admissionv1.MatchCondition{{Name: "ours", Expression: "request.userInfo.username == '" + account + "' && !(has(request.dryRun) && request.dryRun)"}},
			Validations:     []admissionv1.Validation{{Expression: "false", Message: "no Service changes today"}},
		},
	})
	binding := create(t, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: rule.Name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: rule.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}}},
		},
	})
	t.Cleanup(func() {
		must(t, kube.Delete(context.Background(), binding))
		must(t, kube.Delete(context.Background(), rule))
	})
	config := rest.CopyConfig(system.Cluster.RESTConfig())
	config.Impersonate = rest.ImpersonationConfig{UserName: account}
	as, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	must(t, err)
	system.Until(t, "the API server refuses changes of Services", 30*time.Second, func(ctx context.Context) (bool, string) {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
		err := as.Patch(ctx, s, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"probe":"x"}}}`)))
		return apierrors.IsInvalid(err) || apierrors.IsForbidden(err), "it was taken"
	})
}
