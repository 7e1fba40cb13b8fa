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

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// soon is how long a write may take to show in the HPA. It is usually some tens of
// milliseconds.
const soon = 10 * time.Second

// built waits until the HPA of a policy is what hpa.Build makes of the policy as it
// is stored, on a cluster with all features.
func built(t *testing.T, namespace, name string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	var live *autoscalingv2.HorizontalPodAutoscaler
	system.Until(t, "HPA "+name+" as its policy says", soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		want, problems := hpa.Build(p, nil, hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true})
		if hpa.Failed(problems) {
			return false, fmt.Sprint(problems)
		}
		if live, err = getHPA(ctx, namespace, name); err != nil {
			return false, err.Error() + "; " + condition(p, v1alpha1.Ready)
		}
		ours, foreign := hpa.Differences(want, live)
		return len(ours)+len(foreign) == 0, fmt.Sprintf("ours %v, foreign %v; %s", ours, foreign, condition(p, v1alpha1.Ready))
	})
	return live
}

// within is built with another limit.
func within(t *testing.T, limit time.Duration, namespace, name string) {
	t.Helper()
	system.Until(t, "HPA "+name, limit, func(ctx context.Context) (bool, string) {
		if _, err := getHPA(ctx, namespace, name); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	built(t, namespace, name)
}

// lifecycle: a policy gets its HPA; one that is deleted takes it along or leaves it, as
// it says; one that is made again gets one again. What is changed in it is changed there:
// see fields and live.
func lifecycle(t *testing.T, _ *metricAPI) {
	ns := namespace(t)
	p := newPolicy(ns, "web")
	stored := create(t, p)
	built(t, ns, "web")

	dryRun(t, stored)

	must(t, kube.Delete(t.Context(), stored))
	gone(t, ns, "web")

	p.Spec.DeletionPolicy = v1alpha1.Orphan
	stored = create(t, p)
	orphan := built(t, ns, "web")
	must(t, kube.Delete(t.Context(), stored))
	left(t, orphan)
}

// dryRun changes a policy's max in mode DryRun, which is only said, and then has it done.
func dryRun(t *testing.T, p *v1alpha1.AutoscalingPolicy) {
	t.Helper()
	before, err := getHPA(t.Context(), p.Namespace, p.Name)
	must(t, err)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode, p.Spec.Replicas.Max = v1alpha1.DryRun, 8 })
	system.Until(t, "what would be done", soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, p.Namespace, p.Name)
		if err != nil {
			return false, err.Error()
		}
		plan := strings.Join(p.Status.Plan, "; ")
		return p.Status.State == decide.StateDryRun && strings.Contains(plan, "change spec.maxReplicas"), p.Status.State + ": " + plan
	})
	unchanged(t, before)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.Enforce })
	built(t, p.Namespace, p.Name)
}

// gone waits until the garbage collector has taken an HPA. To begin with it does not
// know our kind: it looks for new ones every 30 s.
func gone(t *testing.T, namespace, name string) {
	t.Helper()
	system.Until(t, "HPA "+name+" gone", 90*time.Second, func(ctx context.Context) (bool, string) {
		_, err := getHPA(ctx, namespace, name)
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}
