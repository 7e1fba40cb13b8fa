package controller

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/rollout"
)

// watchServices has changes of selectors seen.
func (r *reconciler) watchServices(b *builder.Builder) *builder.Builder {
	if !r.opts.FollowServices {
		return b
	}
	changed := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(e.ObjectOld.(*corev1.Service).Spec.Selector, e.ObjectNew.(*corev1.Service).Spec.Selector)
	}}
	return b.Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(r.policiesOfService), builder.WithPredicates(changed))
}

func (r *reconciler) policiesOfService(ctx context.Context, o client.Object) []reconcile.Request {
	policies, err := policiesBehind(ctx, r.cached, o.GetNamespace(), o.GetName())
	if err != nil {
		return nil // the cache only fails where it is not there
	}
	return requestsFor(policies)
}

// policiesBehind are those whose targets take turns behind a Service, from a cache.
func policiesBehind(ctx context.Context, c client.Reader, namespace, service string) ([]v1alpha1.AutoscalingPolicy, error) {
	var list v1alpha1.AutoscalingPolicyList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{byService: service}, noWait); err != nil {
		return nil, fmt.Errorf("list the policies: %w", err)
	}
	return list.Items, nil
}

// handoff collects what a switch between two workloads, and the end of a predecessor, are
// decided from.
func (r *reconciler) handoff(ctx context.Context, s *decide.Snapshot) error {
	p := s.Policy
	var err error
	if state := p.Status.Rollout; state != nil && state.Predecessor != nil && r.opts.HoldRollouts {
		if s.Predecessor, err = r.predecessor(ctx, p, *state.Predecessor); err != nil {
			return err
		}
	}
	b := p.Spec.BlueGreen
	if b == nil || !r.opts.FollowServices {
		return nil
	}
	w := &handoff.World{}
	if w.First, _, err = r.side(ctx, p, p.Spec.TargetRef, false); err != nil {
		return err
	}
	if w.Other, _, err = r.side(ctx, p, b.OtherRef, false); err != nil {
		return err
	}
	service := &corev1.Service{}
	switch err := r.cached.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: b.Service}, service, noWait); {
	case err == nil:
		w.Service = handoff.ServiceOf(service)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("read the Service %s: %w", b.Service, err)
	}
	if handoff.NeedsChecks(p) && p.Spec.Mode == v1alpha1.Enforce {
		r.check(ctx, p, w)
	}
	s.Handoff = w
	return nil
}

// side is one of two workloads, with the object that it was made of.
func (r *reconciler) side(ctx context.Context, p *v1alpha1.AutoscalingPolicy, ref v1alpha1.TargetReference, fresh bool) (handoff.Workload, client.Object, error) {
	w := handoff.Workload{Ref: ref}
	o, err := r.object(ctx, targetOf(p.Namespace, ref), fresh)
	if o == nil || err != nil {
		return w, nil, err
	}
	w.Found = true
	w.View, _ = view(o)
	w.Labels, w.Selector = rollout.Pods(o)
	return w, o, nil
}
