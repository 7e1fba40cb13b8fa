package controller

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/quota"
	"github.com/loadline/loadline/policy/rollout"
)

// maxBounds bounds how many quotas, LimitRanges and PodDisruptionBudgets of a namespace are
// read. They are few; what is beyond is not known.
const maxBounds = 500

// boundRights are what it takes to know what bounds a workload that is to grow.
func boundRights() []authorizationv1.ResourceAttributes {
	return []authorizationv1.ResourceAttributes{
		{Verb: "list", Resource: "resourcequotas"},
		{Verb: "list", Resource: "limitranges"},
		{Verb: "list", Group: policyv1.GroupName, Resource: "poddisruptionbudgets"},
	}
}

// bounds reads whether there is room for the workload that is to serve, o, beside the one
// that does, and whether it is protected as that is.
func (r *reconciler) bounds(ctx context.Context, c *handoff.Checks, from, to *handoff.Workload, o client.Object) error {
	var quotas corev1.ResourceQuotaList
	var limits corev1.LimitRangeList
	var budgets policyv1.PodDisruptionBudgetList
	for what, list := range map[string]client.ObjectList{"ResourceQuotas": &quotas, "LimitRanges": &limits, "PodDisruptionBudgets": &budgets} {
		err := r.call(ctx, func(ctx context.Context) error {
			return r.direct.List(ctx, list, client.InNamespace(o.GetNamespace()), client.Limit(maxBounds))
		})
		if err != nil {
			return fmt.Errorf("list the %s: %w", what, err)
		}
	}
	if t := rollout.Template(o); t != nil {
		var defaults []*corev1.LimitRange
		for i := range limits.Items {
			defaults = append(defaults, &limits.Items[i])
		}
		c.Room = quota.RoomFor(quotas.Items, defaults, &t.Spec)
	}
	if budgetOf(budgets.Items, to.Labels) == "" {
		c.Unprotected = budgetOf(budgets.Items, from.Labels)
	}
	return nil
}

// budgetOf is the name of a PodDisruptionBudget that pods with these labels are in; empty
// if there is none.
func budgetOf(budgets []policyv1.PodDisruptionBudget, pods map[string]string) string {
	for _, b := range budgets {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pods)) {
			return b.Name
		}
	}
	return ""
}
