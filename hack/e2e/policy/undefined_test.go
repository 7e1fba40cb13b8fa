//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// The CRD deleted, without uninstall, deletes all policies. What becomes of their HPAs
// is what becomes of any deleted policy's: those with Delete go, those with Orphan stay,
// without their floors once these have come down, and no target changes its size. When the CRD is back so is
// Loadline; an HPA that stayed is nobody's, and is taken over when it says so.
//
// No other policy of the cluster survives it: it runs before the last test.
func TestP9Undefined(t *testing.T) {
	m := startMetricAPI(t)
	ns := namespace(t)
	m.of(ns).value.Store(50) // five pods' worth
	always := v1alpha1.Schedule{Name: "always", Start: "* * * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 3}
	policies := map[string]*v1alpha1.AutoscalingPolicy{
		"goes": newPolicy(ns, "goes", external),
		"stays": newPolicy(ns, "stays", external, func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.DeletionPolicy = v1alpha1.Orphan
			p.Spec.Schedules = []v1alpha1.Schedule{always}
		}),
	}
	for name, p := range policies {
		sized(t, ns, name, 5)
		create(t, p)
	}
	went := built(t, ns, "goes")
	minimum(t, ns, "stays", 3, soon)
	stayed, err := getHPA(t.Context(), ns, "stays")
	must(t, err)
	for name := range policies {
		ready(t, ns, name, decide.Applied, 3*hpaSync)
		goodMetrics(t, ns, name)
	}

	undefine(t)
	gone(t, ns, "goes")
	left(t, stayed)
	system.Never(t, 2*hpaSync, func(ctx context.Context) (bool, string) {
		if _, err := getHPA(ctx, ns, "goes"); !apierrors.IsNotFound(err) {
			return true, fmt.Sprintf("the HPA of a policy that is gone: %v", err)
		}
		h, err := getHPA(ctx, ns, "stays")
		if err != nil || h.UID != stayed.UID || traces(h) != "" {
			return true, fmt.Sprintf("the HPA that stayed: %v, %s", err, traces(h))
		}
		for name := range policies {
			if n, err := replicasOf(ctx, ns, name); err != nil || n != 5 {
				return true, fmt.Sprintf("%s went from 5 to %d, %v", name, n, err)
			}
		}
		return false, ""
	})

	ctx, cancel := system.Waiting(t)
	defer cancel()
	must(t, system.ApplyCRD(ctx))
	for _, p := range policies {
		create(t, p)
	}
	// Who watches a kind that is not there looks for it every 30 s at the latest.
	within(t, time.Minute, ns, "goes")
	again, err := getHPA(t.Context(), ns, "goes")
	must(t, err)
	if again.UID == went.UID {
		t.Error("the HPA that went is there again")
	}
	conflict(t, ns, "stays", decide.ForeignHPA, "kubectl annotate hpa stays "+decide.AdoptAnnotation+"=stays")
	h, err := getHPA(t.Context(), ns, "stays")
	must(t, err)
	unchanged(t, h)
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.AdoptAnnotation, "stays")
	})
	minimum(t, ns, "stays", 3, soon)
	ready(t, ns, "stays", decide.Applied, soon)
	if h, err := getHPA(t.Context(), ns, "stays"); err != nil || h.UID != stayed.UID {
		t.Errorf("the HPA that was taken over: %v, UID %s, it was %s", err, h.UID, stayed.UID)
	}
}

// undefine deletes the CRD, as kubectl delete does, and waits until it is gone.
func undefine(t *testing.T) {
	t.Helper()
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": v1alpha1.Plural + "." + v1alpha1.GroupVersion.Group},
	}}
	must(t, kube.Delete(t.Context(), crd))
	system.Until(t, "no kind AutoscalingPolicy", 30*time.Second, func(ctx context.Context) (bool, string) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(crd), crd)
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
	if err := kube.List(t.Context(), &v1alpha1.AutoscalingPolicyList{}); err == nil || !strings.Contains(err.Error(), "could not find") && !apierrors.IsNotFound(err) {
		t.Errorf("the policies can still be listed: %v", err)
	}
}
