package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/handoff"
)

// maxEndpointSlices bounds what is read of one Service's endpoints: 1,000 in each.
const maxEndpointSlices = 100

// check makes the checks of a managed switch, and brings the world up to what the API
// server says now. What fails is told in the checks: without them nothing is done.
func (r *reconciler) check(ctx context.Context, p *v1alpha1.AutoscalingPolicy, w *handoff.World) {
	c := &handoff.Checks{}
	w.Checks = c
	b := p.Spec.BlueGreen
	under := p.Status.BlueGreen.Managing()
	sizing := under != nil && under.Phase == v1alpha1.Preflight
	if c.Failed, c.Forbidden = r.may(ctx, p.Namespace, switchRights(p, sizing)); c.Failed != "" {
		return
	}
	failed := func(err error) bool {
		if err != nil {
			c.Failed, c.Forbidden = err.Error(), apierrors.IsForbidden(err)
		}
		return err != nil
	}
	service := &corev1.Service{}
	err := r.call(ctx, func(ctx context.Context) error {
		return r.direct.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: b.Service}, service)
	})
	switch {
	case apierrors.IsNotFound(err):
		w.Service = handoff.Service{}
	case failed(err):
		return
	default:
		w.Service = handoff.ServiceOf(service)
		c.ServiceOwner = decide.WriterOf(service, "spec", "selector")
	}
	to := b.Active
	if under != nil {
		to = under.To
	}
	var grows client.Object
	for _, side := range []*handoff.Workload{&w.First, &w.Other} {
		fresh, o, err := r.side(ctx, p, side.Ref, true)
		if failed(err) {
			return
		}
		*side = fresh
		if o != nil && side.Ref.Name == to {
			grows, c.ReplicasOwner = o, decide.WriterOf(o, "spec", "replicas")
		}
	}
	if side := w.Workload(to); side.Found && side.Available > 0 {
		c.Unmetered = r.without(ctx, p, side.Selector)
	}
	if sizing && grows != nil && failed(r.bounds(ctx, c, w.Workload(under.From), w.Workload(to), grows)) {
		return
	}
	if under != nil && under.Phase == v1alpha1.Retargeting {
		c.Endpoints, err = r.endpoints(ctx, p)
		failed(err)
	}
}

// switchRights are those that the steps of a managed switch take from now on; sizing is
// whether it is still to be seen if there is room.
func switchRights(p *v1alpha1.AutoscalingPolicy, sizing bool) []authorizationv1.ResourceAttributes {
	needs := []authorizationv1.ResourceAttributes{
		{Verb: "get", Resource: "services", Name: p.Spec.BlueGreen.Service},
		{Verb: "patch", Resource: "services", Name: p.Spec.BlueGreen.Service},
		{Verb: "list", Group: discoveryv1.GroupName, Resource: "endpointslices"},
	}
	if sizing {
		needs = append(needs, boundRights()...)
	}
	for _, t := range policyTargets(p) {
		needs = append(needs, scaleRights(t)...)
	}
	return needs
}

// scaleRights are those that it takes to scale a workload, by hand.
func scaleRights(t v1alpha1.TargetReference) []authorizationv1.ResourceAttributes {
	resource := strings.ToLower(t.Kind) + "s" // of the four kinds whose pods are known
	group := targetOf("", t).group
	return []authorizationv1.ResourceAttributes{
		{Verb: "get", Group: group, Resource: resource, Name: t.Name},
		{Verb: "get", Group: group, Resource: resource, Subresource: "scale", Name: t.Name},
		{Verb: "update", Group: group, Resource: resource, Subresource: "scale", Name: t.Name},
	}
}

// may says which right is missing; nothing if none is.
func (r *reconciler) may(ctx context.Context, namespace string, needs []authorizationv1.ResourceAttributes) (missing string, forbidden bool) {
	for _, need := range needs {
		need.Namespace = namespace
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &need}}
		if err := r.call(ctx, func(ctx context.Context) error { return r.direct.Create(ctx, review) }); err != nil {
			return fmt.Sprintf("cannot ask for rights in %s: %v", namespace, err), false
		}
		if !review.Status.Allowed {
			what := strings.TrimSuffix(need.Resource+"/"+need.Subresource, "/")
			if need.Name != "" {
				what += " " + need.Name
			}
			return fmt.Sprintf("Loadline may not %s %s in %s", need.Verb, what, namespace), true
		}
	}
	return "", false
}

// endpoints counts the ready endpoints of the policy's Service by the workload that the
// names of their pods begin with.
func (r *reconciler) endpoints(ctx context.Context, p *v1alpha1.AutoscalingPolicy) (map[string]int, error) {
	var list discoveryv1.EndpointSliceList
	err := r.call(ctx, func(ctx context.Context) error {
		return r.direct.List(ctx, &list, client.InNamespace(p.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: p.Spec.BlueGreen.Service}, client.Limit(maxEndpointSlices))
	})
	if err != nil {
		return nil, fmt.Errorf("read the endpoints of the Service %s: %w", p.Spec.BlueGreen.Service, err)
	}
	names := []string{p.Spec.TargetRef.Name, p.Spec.BlueGreen.OtherRef.Name}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // web-2 before web
	found := map[string]int{}
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(e.TargetRef.Name, podPrefix(name)) })
			if i >= 0 {
				found[names[i]]++
			}
		}
	}
	return found, nil
}

// podPrefix is what the names of a workload's pods begin with. Names that are generated
// keep 58 characters (maxGeneratedNameLength of k8s.io/apiserver/pkg/storage/names).
func podPrefix(name string) string {
	const kept = 58
	prefix := name + "-"
	return prefix[:min(len(prefix), kept)]
}

// predecessor is what a target has taken the place of.
func (r *reconciler) predecessor(ctx context.Context, p *v1alpha1.AutoscalingPolicy, ref v1alpha1.TargetReference) (*handoff.Predecessor, error) {
	out := &handoff.Predecessor{}
	var err error
	if out.Failed, _ = r.may(ctx, p.Namespace, scaleRights(ref)); out.Failed != "" {
		out.Found, out.Size = true, 1 // as far as anybody knows
		out.Ref = ref
		return out, nil
	}
	if out.Workload, _, err = r.side(ctx, p, ref, true); err != nil {
		return nil, err
	}
	if out.UID != p.Status.Rollout.PredecessorUID { // made anew, or what somebody pointed the HPA to
		out.Found = false
		return out, nil
	}
	if out.Successor, _, err = r.side(ctx, p, p.Scaled(), false); err != nil {
		return nil, err
	}
	if out.Service, err = r.leftBehind(ctx, p.Namespace, &out.Workload, &out.Successor); err != nil {
		return nil, err
	}
	hpas, err := r.hpasAt(ctx, targetOf(p.Namespace, ref))
	if len(hpas) > 0 {
		out.HPA = hpas[0].Name
	}
	return out, err
}

// leftBehind is the name of a Service that selects the pods of one workload and not those
// of the one in its place; empty if there is none, or where Services are not watched.
func (r *reconciler) leftBehind(ctx context.Context, namespace string, old, next *handoff.Workload) (string, error) {
	if !r.opts.FollowServices {
		return "", nil
	}
	var list corev1.ServiceList
	if err := r.cached.List(ctx, &list, client.InNamespace(namespace), noWait); err != nil {
		return "", fmt.Errorf("list the Services: %w", err)
	}
	for i := range list.Items {
		if s := handoff.ServiceOf(&list.Items[i]); s.Serves(old) && !s.Serves(next) {
			return list.Items[i].Name, nil
		}
	}
	return "", nil
}
