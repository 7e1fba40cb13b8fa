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
	"k8s.io/apimachinery/pkg/api/resource"

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

// A policy gets its HPA; each field that is changed is changed there, on the same
// HPA; a policy that is deleted takes it along or leaves it, as it says; one that is
// made again gets one again.
func TestP1Lifecycle(t *testing.T) {
	ns := namespace(t)
	p := newPolicy(ns, "web")
	stored := create(t, p)
	first := built(t, ns, "web")

	changes := map[string]func(*v1alpha1.AutoscalingPolicySpec){
		"max":       func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 9 },
		"min":       func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min = 3 },
		"objective": func(s *v1alpha1.AutoscalingPolicySpec) { s.Objectives[0].RequestRate.PerPod = resource.MustParse("70") },
		"one more": func(s *v1alpha1.AutoscalingPolicySpec) {
			s.Objectives = append(s.Objectives, v1alpha1.Objective{Queue: &v1alpha1.Queue{Name: "mail", PerPod: resource.MustParse("10")}})
		},
		"one less": func(s *v1alpha1.AutoscalingPolicySpec) { s.Objectives = s.Objectives[:1] },
		"profile":  func(s *v1alpha1.AutoscalingPolicySpec) { s.Profile = v1alpha1.Steady },
		"target":   func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef.Name = "web2" },
	}
	for _, name := range []string{"max", "min", "objective", "one more", "one less", "profile", "target"} {
		edit(t, stored, func(p *v1alpha1.AutoscalingPolicy) { changes[name](&p.Spec) })
		if h := built(t, ns, "web"); h.UID != first.UID {
			t.Fatalf("%s: the HPA was replaced", name)
		}
	}

	dryRun(t, stored)

	must(t, kube.Delete(t.Context(), stored))
	gone(t, ns, "web")

	p.Spec.DeletionPolicy = v1alpha1.Orphan
	stored = create(t, p)
	orphan := built(t, ns, "web")
	must(t, kube.Delete(t.Context(), stored))
	system.Until(t, "the HPA that is left says nothing of us", soon, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		var ours []string
		for _, f := range h.ManagedFields {
			if f.Manager == "loadline-policy" {
				ours = append(ours, fmt.Sprintf("%s %s", f.Operation, f.FieldsV1))
			}
		}
		return len(h.Labels)+len(h.Annotations)+len(h.OwnerReferences)+len(ours) == 0 && h.UID == orphan.UID,
			fmt.Sprintf("labels %v, annotations %v, owners %v, fields %v", h.Labels, h.Annotations, h.OwnerReferences, ours)
	})
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
