package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/loadline/loadline/policy/controller"
	"github.com/loadline/loadline/policy/webhook"
)

// Nothing is asked without being asked for.
func TestWebhookIsOptIn(t *testing.T) {
	for _, name := range []string{"policy", "adapter and policy", "admission"} {
		if found := all[*admissionv1.ValidatingWebhookConfiguration](render(t, variants()[name])); len(found) > 0 {
			t.Errorf("%s has %d", name, len(found))
		}
	}
}

// The API server reaches what loadline-policy serves: configuration -> Service -> named
// port, verified by the certificate in the one Secret that it may write.
func TestWebhookWiring(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, o *controller.Options, d *appsv1.Deployment, objects []runtime.Object) {
		if o.Webhook.BindAddress == "" {
			return
		}
		config, service := only[*admissionv1.ValidatingWebhookConfiguration](t, objects), only[*corev1.Service](t, objects)
		if config.Name != o.Webhook.Configuration || service.Name != o.Webhook.Service || service.Namespace != o.Namespace {
			t.Errorf("configuration %s, Service %s/%s of %+v", config.Name, service.Namespace, service.Name, o.Webhook)
		}
		pod := d.Spec.Template
		if o.Webhook.CertFile == "" {
			secret := only[*corev1.Secret](t, objects)
			if secret.Name != o.Webhook.Secret || secret.Namespace != o.Namespace || len(secret.Data)+len(secret.StringData) > 0 {
				t.Errorf("Secret %s/%s with %d entries", secret.Namespace, secret.Name, len(secret.Data))
			}
		} else if v, m := pod.Spec.Volumes[0], pod.Spec.Containers[0].VolumeMounts[0]; v.Name != m.Name || v.Secret == nil || o.Webhook.CertFile != m.MountPath+"/tls.crt" || o.Webhook.KeyFile != m.MountPath+"/tls.key" || len(all[*corev1.Secret](objects)) > 0 {
			t.Errorf("certificate %s and %s, volume %v at %s", o.Webhook.CertFile, o.Webhook.KeyFile, v, m.MountPath)
		}
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Error("the Service does not select the pods")
		}
		i := slices.IndexFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == service.Spec.Ports[0].TargetPort.StrVal })
		if i < 0 || o.Webhook.BindAddress != fmt.Sprintf(":%d", pod.Spec.Containers[0].Ports[i].ContainerPort) {
			t.Errorf("the Service's port %q is not %s", service.Spec.Ports[0].TargetPort.StrVal, o.Webhook.BindAddress)
		}
		var paths []string
		for _, w := range config.Webhooks {
			to := w.ClientConfig.Service
			if to == nil || to.Namespace != service.Namespace || to.Name != service.Name || *to.Port != service.Spec.Ports[0].Port || w.ClientConfig.CABundle != nil {
				t.Errorf("%s points to %+v", w.Name, w.ClientConfig)
			}
			paths = append(paths, *to.Path)
		}
		if diff := cmp.Diff([]string{webhook.PoliciesPath, webhook.ServicesPath, webhook.AllServicesPath}, paths); diff != "" {
			t.Error(diff)
		}
	})
}

// What guard.md promises of it: open when it fails, within 2 s, without effects, never
// about a scale, and not in kube-system.
func TestWebhookHarmsNobody(t *testing.T) {
	config := only[*admissionv1.ValidatingWebhookConfiguration](t, render(t, variants()["policy with its webhook"]))
	asked := map[string]string{}
	for _, w := range config.Webhooks {
		if *w.FailurePolicy != admissionv1.Ignore || *w.TimeoutSeconds > 2 || *w.SideEffects != admissionv1.SideEffectClassNone || !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}) {
			t.Errorf("%s: failure policy %s, %d s, side effects %s", w.Name, *w.FailurePolicy, *w.TimeoutSeconds, *w.SideEffects)
		}
		for _, r := range w.Rules {
			what := fmt.Sprint(r.Operations, r.APIGroups, r.APIVersions, r.Resources, *r.Scope)
			if strings.ContainsAny(what, "*/") {
				t.Errorf("%s asks about more than one resource: %s", w.Name, what)
			}
			asked[*w.ClientConfig.Service.Path] += what
		}
		exempt := slices.ContainsFunc(w.MatchConditions, func(c admissionv1.MatchCondition) bool {
			return c.Expression == "request.userInfo.username != 'system:serviceaccount:kube-system:horizontal-pod-autoscaler'"
		})
		changed := slices.ContainsFunc(w.MatchConditions, func(c admissionv1.MatchCondition) bool { return c.Name == "changed" })
		if !exempt || !changed {
			t.Errorf("%s: match conditions %v", w.Name, w.MatchConditions)
		}
	}
	want := map[string]string{
		webhook.PoliciesPath:    "[CREATE UPDATE][loadline.dev][v1alpha1][autoscalingpolicies]Namespaced",
		webhook.ServicesPath:    "[UPDATE][][v1][services]Namespaced",
		webhook.AllServicesPath: "[UPDATE][][v1][services]Namespaced",
	}
	for path := range asked {
		asked[path] = strings.ReplaceAll(asked[path], "] [", "][")
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	// At which paths it is asked about an object, by the labels of its namespace.
	for name, tt := range map[string]struct {
		labels labels.Set
		want   []string
	}{
		"any namespace":    {labels.Set{"kubernetes.io/metadata.name": "shop"}, []string{webhook.PoliciesPath, webhook.ServicesPath}},
		"one that opts in": {labels.Set{"kubernetes.io/metadata.name": "shop", "loadline.dev/warn-40-green-cold": "on"}, []string{webhook.PoliciesPath, webhook.AllServicesPath}},
		"opted in, off":    {labels.Set{"kubernetes.io/metadata.name": "shop", "loadline.dev/warn-40-green-cold": "on", "loadline.dev/admission": "off"}, nil},
		"off":              {labels.Set{"kubernetes.io/metadata.name": "shop", "loadline.dev/admission": "off"}, nil},
		"kube-system":      {labels.Set{"kubernetes.io/metadata.name": "kube-system", "loadline.dev/warn-40-green-cold": "on"}, nil},
	} {
		var got []string
		for _, w := range config.Webhooks {
			selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
			if err != nil {
				t.Fatal(err)
			}
			if selector.Matches(tt.labels) {
				got = append(got, *w.ClientConfig.Service.Path)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}
