//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// kubectl loadline uninstall takes loadline-policy, the policies and the CRD out of the
// cluster; each HPA stays the same one, and nothing on it leads to a policy, whatever
// held its minimum and however its policy would have ended.
//
// It is the last test: there is no loadline-policy after it.
func TestP9Uninstall(t *testing.T) {
	m := startMetricAPI(t)
	ns := namespace(t)
	parts := addWebhook(t, ns)
	m.of(ns).value.Store(20) // two pods' worth: what is held goes when nothing holds it
	always := v1alpha1.Schedule{Name: "always", Start: "* * * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 4}
	for name, edit := range map[string]func(*v1alpha1.AutoscalingPolicy){
		"plain":  func(*v1alpha1.AutoscalingPolicy) {},
		"held":   func(p *v1alpha1.AutoscalingPolicy) { external(p); p.Spec.Schedules = []v1alpha1.Schedule{always} },
		"orphan": func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan },
	} {
		sized(t, ns, name, 2)
		create(t, newPolicy(ns, name, edit))
	}
	size(t, ns, "held", 4, 30*time.Second)
	goodMetrics(t, ns, "held")
	was := map[string]types.UID{}
	for _, name := range []string{"plain", "held", "orphan"} {
		system.Until(t, "HPA "+name, soon, func(ctx context.Context) (bool, string) {
			h, err := getHPA(ctx, ns, name)
			if err != nil {
				return false, err.Error()
			}
			was[name] = h.UID
			return name != "held" || *h.Spec.MinReplicas == 4, fmt.Sprint("min ", *h.Spec.MinReplicas)
		})
	}

	out, _, code := loadline(t, ns, "uninstall", "--dry-run")
	has(t, out, "delete Deployment "+lab.AdapterNamespace+"/loadline-policy", "release HorizontalPodAutoscaler "+ns+"/held: its min 4 comes down to 2 step by step", "and with it ")
	if h, err := getHPA(t.Context(), ns, "plain"); err != nil || len(h.OwnerReferences) != 1 || code != 0 {
		t.Fatalf("a dry run did something: exit code %d, %v, owners %v", code, err, h.OwnerReferences)
	}
	if _, said, code := loadline(t, ns, "uninstall"); code != 1 || !strings.Contains(said, "nothing was done") {
		t.Fatalf("nobody said yes: exit code %d", code)
	}
	out, _, code = loadline(t, ns, "uninstall", "--yes")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	has(t, out, "by 2 in all", "by 1 in all", "released HorizontalPodAutoscaler "+ns+"/held: it keeps its spec, with min 2 without the floors")
	size(t, ns, "held", 2, 30*time.Second)

	list := &v1alpha1.AutoscalingPolicyList{}
	if err := kube.List(t.Context(), list); err == nil {
		t.Errorf("the cluster still knows policies: %d", len(list.Items))
	}
	if len(parts) < 10 {
		t.Errorf("loadline-policy with its webhook is %d objects?", len(parts))
	}
	for _, o := range parts {
		if o.GetKind() == "Namespace" { // which is the adapter's, too
			continue
		}
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), o.DeepCopy()); !apierrors.IsNotFound(err) {
			t.Errorf("the %s %s is left: %v", o.GetKind(), o.GetName(), err)
		}
	}
	// Services can be changed: nobody is asked who is gone.
	create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "plain"}, Ports: []corev1.ServicePort{{Port: 80}},
	}})
	edit(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}, func(s *corev1.Service) { s.Spec.Selector["app"] = "held" })
	// The garbage collector follows at once what it has followed before.
	system.Never(t, 5*time.Second, func(ctx context.Context) (bool, string) {
		all := &autoscalingv2.HorizontalPodAutoscalerList{}
		if err := kube.List(ctx, all); err != nil {
			return true, err.Error()
		}
		here := 0
		for i := range all.Items {
			h := &all.Items[i]
			if left := traces(h); left != "" {
				return true, h.Name + ": " + left
			}
			if h.Namespace == ns && was[h.Name] == h.UID {
				here++
			}
		}
		return here != len(was), fmt.Sprintf("%d of %d HPAs", here, len(was))
	})
	if _, said, code := loadline(t, ns, "status"); code != 1 || !strings.Contains(said, "the cluster does not know AutoscalingPolicies") {
		t.Errorf("status afterwards: exit code %d: %s", code, said)
	}
	if out, _, code := loadline(t, ns, "uninstall", "--yes"); code != 0 || !strings.Contains(out, "nothing of Loadline") {
		t.Errorf("a second call: exit code %d: %s", code, out)
	}
}

// traces are what of us is left on an HPA.
func traces(h *autoscalingv2.HorizontalPodAutoscaler) string {
	var left []string
	for key, value := range h.Labels {
		if strings.Contains(key+value, "loadline") {
			left = append(left, "label "+key)
		}
	}
	for key := range h.Annotations {
		if strings.Contains(key, "loadline") {
			left = append(left, "annotation "+key)
		}
	}
	for _, o := range h.OwnerReferences {
		left = append(left, "owner "+o.Kind)
	}
	for _, f := range h.ManagedFields {
		if f.Manager == "loadline-policy" {
			left = append(left, "fields of "+f.Manager)
		}
	}
	return strings.Join(left, ", ")
}
