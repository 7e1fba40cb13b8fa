//go:build e2e

package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Helm, Flux and Argo CD, by their own code, see no drift in a policy and its target
// while Loadline and the HPA controller work, and never the HPA as theirs.
func TestP10GitOps(t *testing.T) {
	for name, tool := range gitOpsTools() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gitOps(t, tool)
		})
	}
}

// scaled is the size that the shop's schedule asks for, which is not the default one.
const scaled = 3

// gitOps is the life of a repository: an HPA of its own, a policy instead of it, a
// change, a person's change, the policy's end, a policy whose HPA stays, and the end.
func gitOps(t *testing.T, tool gitOpsTool) {
	ns := namespace(t)
	tool = tool.in(t, ns)
	tool.sync(t, content{Workload: true, HPA: true})
	before, err := getHPA(t.Context(), ns, "web")
	must(t, err)

	git := content{Workload: true, Max: 6}
	tool.sync(t, git)
	first := followed(t, ns, before.UID, 6)
	size(t, ns, "web", scaled, 4*hpaSync+soon)
	settled(t, ns)
	agreed(t, tool, git)
	ours(t, ns)
	if manager := tool.manager(); manager != "" {
		unforced(t, manager, ns, git)
	}
	if a, is := tool.(argocd); is {
		has(t, a.tree(t, git), "loadline.dev/AutoscalingPolicy/"+ns+"/web\n  autoscaling/HorizontalPodAutoscaler/"+ns+"/web\n")
	}

	state := stateOf(t, ns)
	if f, is := tool.(flux); is {
		f.remember(t, ns+"_web_autoscaling_HorizontalPodAutoscaler")
	}
	tool.sync(t, git)
	agreed(t, tool, git)
	if diff := cmp.Diff(state, stateOf(t, ns)); diff != "" {
		t.Errorf("a sync of nothing changed\n%s", diff)
	}

	git.Max = 9
	tool.sync(t, git)
	if h := followed(t, ns, "", 9); h.UID != first.UID {
		t.Error("the HPA was replaced")
	}
	agreed(t, tool, git)
	if n, err := replicasOf(t.Context(), ns, "web"); err != nil || n != scaled {
		t.Errorf("the target has size %d, %v", n, err)
	}

	// Whoever would see nothing at all sees not this either.
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 12 })
	if drift := tool.drift(t, git); !strings.Contains(drift, "12") {
		t.Errorf("a person's change is not seen: %q", drift)
	}

	git.Max = 0
	tool.sync(t, git)
	gone(t, ns, "web")
	if n, err := replicasOf(t.Context(), ns, "web"); err != nil || n != scaled {
		t.Errorf("without a policy the target has size %d, %v", n, err)
	}
	orphaned(t, tool, ns)
}

// orphaned is a policy whose HPA has no owner: nothing but its marks says whose it is.
func orphaned(t *testing.T, tool gitOpsTool, ns string) {
	git := content{Workload: true, Max: 6, Orphan: true}
	tool.sync(t, git)
	h := followed(t, ns, "", 6)
	settled(t, ns)
	agreed(t, tool, git)
	ours(t, ns)
	tool.sync(t, git)

	tool.sync(t, content{})
	system.Until(t, "policy and target are gone", 30*time.Second, func(ctx context.Context) (bool, string) {
		_, policy := getPolicy(ctx, ns, "web")
		_, target := replicasOf(ctx, ns, "web")
		return apierrors.IsNotFound(policy) && apierrors.IsNotFound(target), fmt.Sprint(policy, "; ", target)
	})
	// The schedule's floor goes by one pod each 30 s first, without a target, too: it may be
	// made anew.
	system.Until(t, "the HPA is left, and nobody's", 90*time.Second, func(ctx context.Context) (bool, string) {
		left, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return left.UID == h.UID && traces(left) == "", traces(left)
	})
}

// followed waits for our HPA, another than one, with a max and the schedule's floor.
func followed(t *testing.T, ns string, not types.UID, maxReplicas int32) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	var live *autoscalingv2.HorizontalPodAutoscaler
	system.Until(t, fmt.Sprintf("our HPA with max %d", maxReplicas), 30*time.Second, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		live = h
		return h.UID != not && h.Spec.MaxReplicas == maxReplicas && *h.Spec.MinReplicas == scaled && h.Labels[hpa.ManagedByLabel] == hpa.ManagedBy,
			fmt.Sprintf("%s, max %d, labels %v", h.UID, h.Spec.MaxReplicas, h.Labels)
	})
	return live
}

// settled waits until the policy's status has been written from what the HPA says.
func settled(t *testing.T, ns string) {
	t.Helper()
	system.Until(t, "the policy's status", 2*hpaSync+soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return len(p.Status.Floors) == 1 && p.Status.ObservedGeneration == p.Generation && len(p.Status.Conditions) > 0, fmt.Sprintf("%+v", p.Status)
	})
}

// agreed fails if the tool sees a difference to what is in Git.
func agreed(t *testing.T, tool gitOpsTool, git content) {
	t.Helper()
	if drift := tool.drift(t, git); drift != "" {
		t.Errorf("drift:\n%s", drift)
	}
}

// ours fails if something of Git's policy is owned by us, or something of our HPA by
// anyone else.
func ours(t *testing.T, ns string) {
	t.Helper()
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	for _, m := range p.ManagedFields {
		if strings.HasPrefix(m.Manager, "loadline") && m.Subresource != "status" {
			t.Errorf("%s owns of the policy %s", m.Manager, m.FieldsV1)
		}
	}
	h, err := getHPA(t.Context(), ns, "web")
	must(t, err)
	marks := slices.Sorted(maps.Keys(h.Labels))
	marks = append(marks, slices.Sorted(maps.Keys(h.Annotations))...)
	if diff := cmp.Diff([]string{hpa.ManagedByLabel, hpa.PolicyLabel, hpa.MinAnnotation, hpa.PolicyUIDAnnotation}, marks); diff != "" {
		t.Errorf("the HPA's labels and annotations\n%s", diff)
	}
	for _, m := range h.ManagedFields {
		if m.Manager != "loadline-policy" && m.Subresource == "" {
			t.Errorf("%s owns of the HPA %s", m.Manager, m.FieldsV1)
		}
	}
}

// stateOf is what a sync of nothing must leave alone.
func stateOf(t *testing.T, ns string) map[string]any {
	t.Helper()
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	h, err := getHPA(t.Context(), ns, "web")
	must(t, err)
	d := &appsv1.Deployment{}
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "web"}, d))
	state := map[string]any{"Deployment": d.Spec, "policy": p.Spec, "HPA": h.Spec}
	for _, o := range []client.Object{p, h, d} {
		kind := fmt.Sprintf("%T", o)
		state[kind] = []any{o.GetUID(), o.GetGeneration(), o.GetLabels(), managers(o.GetManagedFields())}
	}
	return state
}

// managers names who owns fields.
func managers(entries []metav1.ManagedFieldsEntry) []string {
	var names []string
	for _, m := range entries {
		names = append(names, fmt.Sprint(m.Manager, " ", m.Operation, " ", m.Subresource))
	}
	slices.Sort(names)
	return names
}
